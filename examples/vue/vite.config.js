import vue from "@vitejs/plugin-vue";

export default {
  plugins: [
    vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === "syncsphere-upload" } } }),
  ],
  // Vite's development server would move the package's script away from its workers.
  optimizeDeps: { exclude: ["@syncsphere/uploader"] },
};
