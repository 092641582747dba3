// What the conversations share: the server, its outbox, a picture, and a check that narrows types.
import { readdir, readFile } from "node:fs/promises";

export const server = process.env["SERVER"] ?? "";
const outbox = process.env["OUTBOX"] ?? "";

export function check(condition: unknown): asserts condition {
  if (!condition) throw new Error("The check has failed.");
}

/** The code of the mail or SMS to an address; the message repeats the reference. */
export async function code(destination: string, reference: string): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt++) {
    for (const file of await readdir(outbox).catch(() => [])) {
      const text = file.startsWith(".") ? "" : (await readFile(`${outbox}/${file}`, "utf8")).replaceAll("\r\n", "\n");
      const found = /(?<![\w.-])\d{6}(?![\w.-])/.exec(text.slice(text.indexOf("\n\n")));
      if (found && text.includes(destination) && text.includes(reference)) return found[0];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`There is no message to ${destination}.`);
}

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const image = new Blob([Uint8Array.from(atob(PIXEL), (letter) => letter.charCodeAt(0))], { type: "image/png" });
