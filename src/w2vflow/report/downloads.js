// What is shown, as files: the pictures as PNG, the numbers as CSV.

function save(name, blob) {
  const link = element("a", "", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function fileName(what) {
  const plain = data.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "w2vflow";
  return `${plain}-${what}`;
}

// Cloud and curves on one sheet, on the ground of the page.
function savePicture() {
  const [cloud, ...below] = ["cloud", "staircase", "loss"].map(byId);
  const right = below.reduce((sum, one) => sum + one.height, 0);
  const sheet = element("canvas");
  [sheet.width, sheet.height] = [cloud.width + below[0].width, Math.max(cloud.height, right)];
  const pen = sheet.getContext("2d");
  pen.fillStyle = colour("panel");
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(cloud, 0, 0);
  let top = 0;
  for (const one of below) {
    pen.drawImage(one, cloud.width, top);
    top += one.height;
  }
  sheet.toBlob((blob) => save(fileName("picture.png"), blob));
}

// Text that a spreadsheet would run as a formula is made text.
function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const harmless = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function tableOfCurves() {
  const rows = [["source", "seed", "time", "loss", ...view.concepts.map((concept, k) => `s2 of ${k + 1}: ${concept.name}`)]];
  for (const [source, curves] of Object.entries(view.curves)) {
    curves.loss.forEach((loss, seed) => view.ts.forEach((time, at) => {
      rows.push([source, seed + 1, time, loss[at], ...view.concepts.map((_, k) => curves.squares[seed][k]?.[at])]);
    }));
  }
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function startDownloads() {
  byId("save-png").addEventListener("click", savePicture);
  byId("save-csv").addEventListener("click", () => save(fileName("curves.csv"), new Blob([tableOfCurves()], { type: "text/csv" })));
}
