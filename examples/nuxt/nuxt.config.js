export default defineNuxtConfig({
  compatibilityDate: "2026-11-01",
  // NUXT_PUBLIC_ENDPOINT sets it. Empty: the page's own origin.
  runtimeConfig: { public: { endpoint: "" } },
  // Vite's development server would move the package's script away from its workers.
  vite: { optimizeDeps: { exclude: ["@syncsphere/uploader"] } },
});
