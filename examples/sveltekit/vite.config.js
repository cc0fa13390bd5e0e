import adapter from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";

export default {
  plugins: [sveltekit({ adapter: adapter() })],
  // Vite's development server would move the package's script away from its workers.
  optimizeDeps: { exclude: ["@syncsphere/uploader"] },
};
