// Sorts a table by the column whose heading is pressed: up, down, as it was. Pages do without.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], original = [...body.rows], headings = table.tHead.rows[0].cells;
  const value = (row, column) => {
    const cell = row.cells[column], known = cell.dataset.v;
    return known === undefined ? cell.textContent.trim() : known === "" ? null : Number(known);
  };
  [...headings].forEach((heading, column) => {
    if (!heading.textContent.trim()) return; // a column of bars
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const order = { none: "descending", descending: "ascending", ascending: "none" };
      const next = order[heading.getAttribute("aria-sort") ?? "none"];
      for (const other of headings) other.removeAttribute("aria-sort");
      const sign = next === "ascending" ? 1 : -1;
      const compare = (a, b) => {
        const [one, other] = [value(a, column), value(b, column)];
        if (one === null || other === null) return (one === null) - (other === null);
        return sign * (typeof one === "number" ? one - other : one.localeCompare(other));
      };
      if (next !== "none") heading.setAttribute("aria-sort", next);
      body.append(...(next === "none" ? original : [...original].sort(compare)));
    });
  });
}
