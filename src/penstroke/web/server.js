"use strict";
// Asks the server that delivered the page, instead of a model in the browser. The page of an export has no such file.

/** @type {Record<string, string>} The token of a server that needs one follows # in the page's address. */
const CREDENTIALS = location.hash.length > 1 ? { authorization: `Bearer ${location.hash.slice(1)}` } : {};

/**
 * Return the answer of the server, in the form of the worker's answers.
 *
 * @param {any} question
 * @param {Model["description"]} description
 */
async function askServer(question, description) {
  if (question.kind === "load") return { kind: "loaded" };
  if (question.kind !== "fit") return { kind: "read", symbols: [], trace: [], reason: "" };
  const { colours, width, height } = question;
  const canvas = new OffscreenCanvas(width, height);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.putImageData(new ImageData(colours, width, height), 0, 0);
  const picture = await canvas.convertToBlob();
  if (description.preprocessing === "digit" && String(description.image_shape) === "1,28,28") {
    const { symbols } = await post("/v1/read?view=1", picture);
    return { kind: "read", symbols: symbols.map(readingOf), trace: null, reason: "there are no pen strokes" };
  }
  const answer = await post("/v1/predict?view=1", picture);
  if (!answer.input) return { kind: "read", symbols: [], trace: null, reason: "there are no pen strokes" };
  const probability = Math.max(...answer.probabilities);
  const label = description.classes[answer.probabilities.indexOf(probability)];
  const symbol = readingOf({ ...answer, probability, most_probable: label, box: [0, 0, width, height] });
  return { kind: "read", symbols: [symbol], trace: null, reason: "" };
}

/** @param {any} symbol of the server's answer @returns {Reading} */
function readingOf({ box: [x, y, width, height], most_probable: label, probability, probabilities, abstained, input }) {
  const image = Uint8Array.from(atob(input.pixels), (letter) => letter.charCodeAt(0));
  return { image, box: { x, y, width, height }, probabilities, label, probability, abstained };
}

/**
 * @param {string} path
 * @param {Blob} body
 */
async function post(path, body) {
  const response = await fetch(path, { method: "POST", body, headers: CREDENTIALS });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ? `${answer.title}: ${answer.detail}` : `${answer.title}.`);
  return answer;
}

/**
 * Show a button for each class, with which a wrong answer is corrected, below the answer.
 *
 * @param {string[]} labels
 * @param {() => Promise<Blob>} drawing
 * @param {(message: string) => void} tell
 */
function showCorrections(labels, drawing, tell) {
  const group = document.createElement("div");
  group.id = "corrections";
  group.role = "group";
  group.ariaLabel = "Store the drawing with its right label";
  const text = document.createElement("p");
  text.className = "small";
  text.textContent = "Wrong? Store the drawing with its right label:";
  group.append(text);
  for (const label of labels) {
    const button = document.createElement("button");
    button.textContent = label;
    button.addEventListener("click", async () => {
      if (element("frame").className !== "sheet drawn") return;
      try {
        const { stored } = await post(`/v1/corrections?label=${encodeURIComponent(label)}`, await drawing());
        text.textContent = `Stored as ${label}; ${stored} drawings are stored.`;
      } catch (/** @type {any} */ error) {
        tell(error.message);
      }
    });
    group.append(button);
  }
  element("answer").append(group);
}
