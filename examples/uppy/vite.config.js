/** Vite's development server would move the package's script away from its workers. */
export default { optimizeDeps: { exclude: ["@syncsphere/uploader"] } };
