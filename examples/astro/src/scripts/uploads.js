import { Uploader } from "@syncsphere/uploader";
import { endpoint, token } from "./token.js";

const uploader = new Uploader({ endpoint, token });
const list = document.querySelector("ul");

document.querySelector("input").addEventListener("change", ({ target }) => {
  for (const task of uploader.uploadAll(target.files)) show(task);
});

async function show(task) {
  const item = list.appendChild(document.createElement("li"));
  item.textContent = `${task.name}: queued`;
  try {
    const { status, checksum } = await task.done;
    item.textContent = `${task.name}: ${status} ${checksum.crc64nvme}`;
  } catch (error) {
    item.textContent = `${task.name}: ${error.message}`;
  }
}
