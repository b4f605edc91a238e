/**
 * Runs in the page: every visible text whose contrast with what is behind it is below WCAG 2.2 AA (1.4.3): 4.5, or 3 for
 * large text. Knows flat colours only, which is all that the pages have under text. A page of hardly any text is another page, and a problem.
 */
export function contrastProblems(least = 50) {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const problems = [];
  let checked = 0;
  for (const node of document.querySelectorAll('body *')) {
    const text = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data).join('').trim();
    if (!text || !node.checkVisibility() || node.closest('script, style, noscript')) continue;
    const style = getComputedStyle(node);
    // A copy that lies under what is read, to be as large.
    if (style.color === 'rgba(0, 0, 0, 0)') continue;
    checked += 1;
    const [a, b] = [luminance(parse(style.color)), luminance(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) problems.push(`${ratio.toFixed(2)} for “${text.slice(0, 40)}” (${style.color})`);
  }
  return checked > least ? problems : [`only ${checked} texts found`];
}
