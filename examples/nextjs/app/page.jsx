import { Uploads } from "./uploads.jsx";

export default function Page() {
  return (
    <main>
      <h1>Files</h1>
      <Uploads />
    </main>
  );
}
