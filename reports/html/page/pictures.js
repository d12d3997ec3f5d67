// Pictures as bytes: decoded once per frame, and painted again when the threshold changes.

function decoded(uri) {
  return new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => {
      const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
      const bytes = new Uint8Array(width * height);
      for (let at = 0; at < bytes.length; at++) bytes[at] = data[4 * at];
      done({ bytes, width, height });
    };
    image.onerror = () => fail(new Error("a picture of the page can't be read"));
    image.src = uri;
  });
}

// Data of the shown frame: its photograph, and label and levels as bytes.
const shown = { frame: null, photograph: "", label: null, maps: [] };

async function showFrame() {
  const wanted = benchmark().frames[chosen.frame];
  const held = await pictures(wanted.number);
  const each = (uri) => (uri === null ? null : decoded(uri));
  const [label, ...maps] = await Promise.all([each(held.label), ...held.maps.map(each)]);
  if (wanted !== benchmark().frames[chosen.frame]) return; // another frame was chosen in the meantime
  Object.assign(shown, { frame: wanted, photograph: held.photograph, label, maps });
  changed("pictures");
}

// Paints the levels of one method into a canvas; the label has the same size.
function paintMap(canvas, map, label, position, level, mode) {
  fit(canvas, map);
  const context = canvas.getContext("2d");
  const target = context.createImageData(map.width, map.height);
  paint(target, map.bytes, label?.bytes, position, level, mode);
  context.putImageData(target, 0, 0);
}

function fit(canvas, { width, height }) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

watch("benchmark frame", showFrame);
