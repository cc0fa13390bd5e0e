import { CUSTOM_ELEMENTS_SCHEMA, Component, signal } from "@angular/core";
import "@syncsphere/uploader/element/define";
import type { FileRecord } from "@syncsphere/uploader";
import { endpoint, token } from "./token";

@Component({
  selector: "app-files",
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
  template: `
    <h1>Files</h1>
    <syncsphere-upload
      multiple
      aria-label="Files to upload"
      [endpoint]="endpoint"
      [token]="token"
      (uploadend)="add($event)"
    ></syncsphere-upload>
    <ul>
      @for (file of files(); track file.fileId) {
        <li>{{ file.name }}: {{ file.status }} {{ file.checksum.crc64nvme }}</li>
      }
    </ul>
  `,
})
export class Files {
  readonly endpoint = endpoint;
  readonly token = token;
  readonly files = signal<FileRecord[]>([]);

  add({ detail }: CustomEvent<{ file: FileRecord }>): void {
    this.files.update((files) => [...files, detail.file]);
  }
}
