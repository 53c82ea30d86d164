// What the page says about an image, as elements. Nothing here asks the service or changes the page.

export function partsOf(image, model) {
  return [...cautions(image), headline(image, model), setOf(image, model), bars(image, model)].filter(Boolean);
}

// What a screen reader says when the answer arrives.
export function inWords(image, model) {
  const answer = image.abstained
    ? "the model cannot tell"
    : `${nameOf(image.predicted, model)}, ${percent(image.confidence)}`;
  return answer + (image.outlier ? ", unlike the training images" : "");
}

export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

// Nothing is certain and nothing impossible: 0.9996 and 0.0001 are not shown as 100 % and 0 %.
function percent(share) {
  if (share > 0.995) return "> 99 %";
  if (share < 0.005) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}

export function nameOf(label, model) {
  const known = model?.classes.find((one) => one.label === label);
  return known ? known.name : label;
}

function headline(image, model) {
  const block = make("div", "", image.abstained || image.outlier ? "headline unsure" : "headline");
  if (image.abstained) {
    block.append(make("p", "Answer", "label"), make("p", "I cannot tell", "found"));
    block.append(make("p", image.abstention_reason, "share"));
    return block;
  }
  const share = make("p", "", "share");
  share.append("Probability ", make("b", percent(image.confidence)));
  block.append(make("p", "Most probable class", "label"), make("p", sentence(nameOf(image.predicted, model)), "found"), share);
  return block;
}

const sentence = (name) => name.charAt(0).toUpperCase() + name.slice(1);

function cautions(image) {
  if (!image.outlier) return [];
  const box = make("div", "", "box warn");
  box.append(
    make("strong", "This image is unlike those the model was trained on"),
    make("span", "It may be out of focus, from another device or of another kind, or show something the model was not trained on. Do not rely on the answer."),
  );
  return [box];
}

function setOf(image, model) {
  const labels = image.prediction_set;
  if (!labels) return null;
  const block = make("div", "", "set");
  const chips = make("ul", "", "chips");
  chips.append(...labels.map((label) => make("li", nameOf(label, model))));
  if (!labels.length) chips.append(make("li", "no class fits well", "none"));
  block.append(make("h4", "Cannot be ruled out"), chips);
  const coverage = model?.trust?.sets?.coverage;
  if (coverage) {
    block.append(make("p", `For images like those of training, such a list contains the true class for about ${percent(coverage)} of lesions.`, "small"));
  }
  return block;
}

function bars(image, model) {
  const block = make("div", "", "all");
  const list = make("ol", "", "bars");
  for (const one of image.classes) {
    const line = make("li", "", one.in_set || (one.in_set === null && one.label === image.predicted) ? "in" : "");
    const track = make("div", "", "track");
    const fill = make("i");
    fill.style.width = `${one.probability * 100}%`;
    track.setAttribute("aria-hidden", "true");
    track.append(fill);
    line.append(make("span", sentence(one.name)), make("span", percent(one.probability), "value"), track);
    if (image.observed && one.label === image.predicted) {
      track.append(mark(image.observed));
      line.append(observed(image.observed));
    }
    list.append(line);
  }
  block.append(make("h4", model?.trust ? "Calibrated probabilities" : "Probabilities (not calibrated)"), list);
  return block;
}

// The accuracy that was observed at such a probability, and its interval.
function mark({ correct, interval: [low, high] }) {
  const whisker = make("b", "", "mark-of");
  whisker.style.left = `${low * 100}%`;
  whisker.style.width = `${(high - low) * 100}%`;
  const dot = make("b", "", "dot");
  dot.style.left = `${(100 * (correct - low)) / (high - low)}%`;
  whisker.append(dot);
  return whisker;
}

function observed({ low, high, correct, interval, images, part }) {
  const between = (from, to) => `${Math.round(from * 100)} to ${Math.round(to * 100)} %`;
  const note = make("p", "", "small seen");
  const key = make("b", "", "mark-of key");
  key.setAttribute("aria-hidden", "true");
  key.append(make("b", "", "dot"));
  const words = `Observed: of ${images.toLocaleString("en")} answers with a probability of ${between(low, high)} on ${part}, ${percent(correct)} were correct (95 % interval: ${between(...interval)}).`;
  note.append(key, words.replaceAll(" %", "\u00a0%"));
  return note;
}
