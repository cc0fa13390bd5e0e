/** Vite's development server would move the package's script away from its workers. */
export default { vite: { optimizeDeps: { exclude: ["@syncsphere/uploader"] } } };
