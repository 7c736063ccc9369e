// Shows a form's questions as soon as the answers they hang on are given; without it, saving does the same.
const form = document.querySelector("form.questions");
const conditional = [...form.querySelectorAll("[data-question]")];

function answered(name) {
  return [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)]
    .filter((input) => !input.closest("[hidden]") && (input.checked || !["radio", "checkbox"].includes(input.type)))
    .map((input) => input.value)
    .filter((value) => value !== "");
}

function fits({ question, op, value }) {
  const given = answered(question);
  if (given.length === 0) return false;
  if (op === "includes") return given.includes(value);
  const numbers = [given[0].replace(",", "."), value].map(Number);
  if (op === "at_least") return numbers[0] >= numbers[1];
  if (op === "at_most") return numbers[0] <= numbers[1];
  const same = given[0] === value || (!numbers.some(Number.isNaN) && numbers[0] === numbers[1]);
  return same === (op === "is");
}

// In their order: a question that hides takes its answer from those after it.
const update = () => conditional.forEach((part) => { part.hidden = !fits(part.dataset); });
form.addEventListener("input", update);
update();
