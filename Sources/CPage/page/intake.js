// How pictures come in: chosen, dropped, pasted, or from the samples.

/** How the names of pictures end that the server reads. */
const suffixes = document.getElementById("files").accept.split(",").filter((one) => one.startsWith("."));

/** @param add told of files that came in, as { file, name } @param say told what is to be read aloud */
export function takeFiles(add, say) {
  document.getElementById("files").addEventListener("change", (event) => {
    add([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    // The same file may be chosen again.
    event.target.value = "";
  });

  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => {
      const name = `${button.dataset.sample}.png`;
      try {
        const response = await fetch(`/samples/${name}`);
        if (!response.ok) throw new Error(response.statusText);
        add([{ file: await response.blob(), name: `sample ${name}` }]);
      } catch {
        say(`The sample ${name} could not be fetched.`);
      }
    });
  }

  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", async (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    // The list is emptied as soon as the event is over, so all entries are taken at once.
    const entries = [...event.dataTransfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) add([...event.dataTransfer.files].map((file) => ({ file, name: file.name })));
    const found = { files: [], others: 0 };
    for (const entry of entries) await gather(entry, found, !entry.isDirectory);
    found.files.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    add(found.files);
    if (found.others) say(`${found.others} files in the folders are no pictures and were left out.`);
  });

  let pasted = 0;
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    add(files.map((file) => ({ file, name: `pasted ${(pasted += 1)} ${file.name}` })));
  });
}

/** Collects the files of an entry; of a folder, those that are named as pictures. */
async function gather(entry, found, isChosen) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file && (isChosen || suffixes.some((one) => file.name.toLowerCase().endsWith(one)))) {
      found.files.push({ file, name: entry.fullPath.replace(/^\//, "") });
    } else found.others += 1;
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!some.length) return;
    for (const one of some) await gather(one, found, false);
  }
}
