// Measures what a reader would see, and tells it as lines in `#probe`: the shade, then each flaw.
const lines = [];
const rgb = (text) => (text.match(/[\d.]+/g) || [0, 0, 0]).map(Number);

// How bright a colour is, and how well two are told apart, as the accessibility guidelines of the W3C define it.
const brightness = ([red, green, blue]) =>
  [red, green, blue]
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const contrast = (one, other) => {
  const [low, high] = [brightness(one), brightness(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

// What an element stands on: the nearest background that is not clear, which in a drawing may be a box of its own group.
const behind = (element) => {
  const box = element.closest("g") && element.closest("g").querySelector(".box");
  if (box) return rgb(getComputedStyle(box).fill);
  for (let at = element; at; at = at.parentElement) {
    const colour = rgb(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};

const paper = behind(document.body);
lines.push(brightness(paper) > 0.5 ? "shade light" : "shade dark");

for (const element of document.querySelectorAll("h1,h2,p,td,th,dt,dd,figcaption span,svg text")) {
  const style = getComputedStyle(element);
  const ink = element.closest("svg") ? style.fill : style.color;
  const ratio = contrast(rgb(ink), behind(element));
  if (ratio < 4.5) lines.push(`contrast ${ratio.toFixed(1)}: ${element.textContent}`);
}
for (const line of document.querySelectorAll("polyline")) {
  const ratio = contrast(rgb(getComputedStyle(line).stroke), paper);
  if (ratio < 3) lines.push(`contrast ${ratio.toFixed(1)}: a curve`);
}
for (const svg of document.querySelectorAll("svg")) {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  texts.forEach(([name, one], at) => {
    const out = one.left < frame.left - 1 || one.right > frame.right + 1 || one.top < frame.top - 1 || one.bottom > frame.bottom + 1;
    if (out) lines.push(`${name} leaves its drawing`);
    for (const [other, two] of texts.slice(at + 1)) {
      const wide = Math.min(one.right, two.right) - Math.max(one.left, two.left);
      const high = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
      // Boxes of letters have room above and below.
      if (wide > 1 && high > 3) lines.push(`${name} overlaps ${other}`);
    }
  });
}
if (document.documentElement.scrollWidth > innerWidth + 1) lines.push("the page is wider than its window");

const told = document.createElement("pre");
told.id = "probe";
told.textContent = lines.join("\n");
document.body.append(told);
