import { reactRouter } from "@react-router/dev/vite";

export default {
  plugins: [reactRouter()],
  // Vite's development server would move the package's script away from its workers.
  optimizeDeps: { exclude: ["@syncsphere/uploader"] },
};
