// What two readers of HLS playlists that others wrote say of {name: text}: a list of their complaints.

const modules = process.argv[2];
const strict = require(`${modules}/hls-parser`);
const { Parser } = require(`${modules}/m3u8-parser`);

strict.setOptions({ strictMode: true });

function faults(name, text) {
  const found = [];
  try {
    const read = strict.parse(text);
    if (read.isMasterPlaylist ? read.variants.length === 0 : read.segments.length === 0) found.push(`${name}: hls-parser found nothing in it`);
  } catch (error) {
    found.push(`${name}: hls-parser says ${error.message}`);
  }
  const parser = new Parser();
  parser.on("warn", ({ message }) => found.push(`${name}: m3u8-parser says ${message}`));
  parser.push(text);
  parser.end();
  const { segments, playlists } = parser.manifest;
  if (!(segments?.length || playlists?.length)) found.push(`${name}: m3u8-parser found nothing in it`);
  return found;
}

const playlists = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(Object.entries(playlists).flatMap(([name, text]) => faults(name, text))));
