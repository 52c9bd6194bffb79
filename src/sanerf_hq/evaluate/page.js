for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const number = head.classList.contains("number");
    const rising = head.ariaSort ? head.ariaSort === "descending" : !number;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.ariaSort = rising ? "ascending" : "descending";
    const body = table.tBodies[0];
    const key = row => row.cells[column].dataset.key;
    body.append(...[...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (number && (x === "" || y === "")) return (x === "") - (y === "");  // not measured: last either way
      const order = number ? x - y : x.localeCompare(y);
      return rising ? order : -order;
    }));
  }));
}
const dialog = document.querySelector("dialog");
const large = dialog.firstElementChild;
const enlarge = image => {
  large.src = image.src;
  large.alt = image.alt;
  large.style.setProperty("--aspect", image.naturalWidth / image.naturalHeight);
  dialog.showModal();
};
for (const image of document.querySelectorAll("figure img")) {
  image.addEventListener("click", () => enlarge(image));
  image.addEventListener("keydown", event => { if (event.key === "Enter") enlarge(image); });
}
dialog.addEventListener("click", () => dialog.close());
