// Gives a Linux shared library another SONAME, in place.
//
// The dynamic loader takes two libraries with equal SONAMEs for one: who loads ONNX Runtime second, by whatever path,
// gets the first one's. A copy under a name of its own lives beside any other ONNX Runtime in the process.
//
// Only the bytes of the name in .dynstr change, so the new name may not be longer than the old one, and nothing else
// may refer to those bytes (linkers share the tails of strings). Layout: System V gABI, chapters 4 and 5; symbol
// versions: LSB Core, "Symbol Versioning". Whatever does not look as expected is refused.

const SHT_DYNAMIC = 6;
const SHT_DYNSYM = 11;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERNEED = 0x6ffffffe;

// Dynamic tags whose value is an offset into .dynstr.
const DT_SONAME = 14;
const STRING_TAGS = new Map([
  [1, 'DT_NEEDED'],
  [DT_SONAME, 'DT_SONAME'],
  [15, 'DT_RPATH'],
  [29, 'DT_RUNPATH'],
  [0x6ffffefa, 'DT_CONFIG'],
  [0x6ffffefb, 'DT_DEPAUDIT'],
  [0x6ffffefc, 'DT_AUDIT'],
  [0x7ffffffd, 'DT_AUXILIARY'],
  [0x7fffffff, 'DT_FILTER'],
]);

const VER_FLG_BASE = 1;

function refuse(what) {
  throw new Error(`cannot rename this library: ${what}`);
}

/** A u64 of the file as a number; offsets and sizes of a real library are far below 2^53. */
function readSize(elf, offset) {
  const value = elf.readBigUInt64LE(offset);
  if (value > BigInt(elf.length) * 16n && value > 0xffffffffn) refuse(`value out of range at ${offset}`);
  return Number(value);
}

function readSections(elf) {
  const isElf64LittleEndian =
    elf.length > 64 && elf.readUInt32BE(0) === 0x7f454c46 && elf[4] === 2 && elf[5] === 1;
  if (!isElf64LittleEndian) refuse('not a 64-bit little-endian ELF file');
  if (elf.readUInt16LE(16) !== 3) refuse('not a shared object');
  const tableOffset = readSize(elf, 40);
  const entrySize = elf.readUInt16LE(58);
  const count = elf.readUInt16LE(60);
  if (tableOffset === 0 || entrySize !== 64 || count === 0) refuse('no section headers');
  if (tableOffset + count * entrySize > elf.length) refuse('section headers beyond the end of the file');
  return Array.from({ length: count }, (_, index) => {
    const at = tableOffset + index * entrySize;
    const section = {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
      entries: elf.readUInt32LE(at + 44), // sh_info: for version sections the number of entries
    };
    const SHT_NOBITS = 8;
    if (section.type !== SHT_NOBITS && section.offset + section.size > elf.length) {
      refuse(`section ${index} lies beyond the end of the file`);
    }
    return section;
  });
}

function only(sections, type, name) {
  const found = sections.filter((section) => section.type === type);
  if (found.length !== 1) refuse(`${found.length} ${name} sections, expected one`);
  return found[0];
}

/** Every place that refers to .dynstr: what it is, and the offset it refers to. */
function stringReferences(elf, sections) {
  const dynamic = only(sections, SHT_DYNAMIC, '.dynamic');
  const strings = sections[dynamic.link];
  const references = [];

  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = Number(elf.readBigUInt64LE(at));
    if (tag === 0) break;
    if (STRING_TAGS.has(tag)) references.push({ kind: STRING_TAGS.get(tag), to: readSize(elf, at + 8) });
  }

  const symbols = only(sections, SHT_DYNSYM, '.dynsym');
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += 24) {
    references.push({ kind: 'symbol', to: elf.readUInt32LE(at) });
  }

  for (const section of sections.filter((s) => s.type === SHT_GNU_VERDEF)) {
    walkVersionEntries(elf, section, (at) => {
      const isBase = (elf.readUInt16LE(at + 2) & VER_FLG_BASE) !== 0;
      walkList(elf, at + elf.readUInt32LE(at + 12), elf.readUInt16LE(at + 6), 4, (aux, index) => {
        const kind = isBase && index === 0 ? 'verdef base' : 'verdef';
        references.push({ kind, to: elf.readUInt32LE(aux), hashAt: at + 8 });
      });
      return elf.readUInt32LE(at + 16);
    });
  }

  for (const section of sections.filter((s) => s.type === SHT_GNU_VERNEED)) {
    walkVersionEntries(elf, section, (at) => {
      references.push({ kind: 'verneed file', to: elf.readUInt32LE(at + 4) });
      walkList(elf, at + elf.readUInt32LE(at + 8), elf.readUInt16LE(at + 2), 12, (aux) => {
        references.push({ kind: 'verneed', to: elf.readUInt32LE(aux + 8) });
      });
      return elf.readUInt32LE(at + 12);
    });
  }
  return { strings, references };
}

/** Visits the entries of a version section; `visit` returns the distance to the next one. */
function walkVersionEntries(elf, section, visit) {
  let at = section.offset;
  for (let index = 0; index < section.entries; index++) {
    if (elf.readUInt16LE(at) !== 1) refuse('unknown version of a symbol version entry');
    at += visit(at);
  }
}

/** Visits `count` auxiliary entries; the distance to the next one stands at `nextField` of each. */
function walkList(elf, start, count, nextField, visit) {
  let at = start;
  for (let index = 0; index < count; index++) {
    visit(at, index);
    at += elf.readUInt32LE(at + nextField);
  }
}

/** The hash of the System V ABI, which version definitions carry beside their names. */
export function elfHash(name) {
  let hash = 0;
  for (const byte of Buffer.from(name)) {
    hash = ((hash << 4) + byte) >>> 0;
    const high = hash & 0xf0000000;
    hash = ((hash ^ (high >>> 24)) & ~high) >>> 0;
  }
  return hash;
}

function stringAt(elf, offset) {
  return elf.toString('latin1', offset, elf.indexOf(0, offset));
}

function findSoname(elf) {
  const { strings, references } = stringReferences(elf, readSections(elf));
  const sonames = references.filter((reference) => reference.kind === 'DT_SONAME');
  if (sonames.length !== 1) refuse(`${sonames.length} DT_SONAME entries, expected one`);
  const [soname] = sonames;
  if (soname.to === 0 || soname.to >= strings.size) refuse('DT_SONAME points outside .dynstr');
  return { strings, references, soname, name: stringAt(elf, strings.offset + soname.to) };
}

export function readSoname(elf) {
  return findSoname(elf).name;
}

/** Returns a copy of the library `elf` (a Buffer) whose SONAME is `newName`. */
export function renameSoname(elf, newName) {
  if (!/^[\w.-]+$/.test(newName)) refuse(`"${newName}" is no library name`);
  const { strings, references, soname, name } = findSoname(elf);
  if (newName.length > name.length) refuse(`"${newName}" is longer than its SONAME "${name}"`);
  if (elf[strings.offset + soname.to - 1] !== 0) refuse('a longer string ends in its SONAME');

  const inside = references.filter(({ to }) => to >= soname.to && to <= soname.to + name.length);
  const shared = inside.find(
    ({ kind, to }) => to !== soname.to || (kind !== 'DT_SONAME' && kind !== 'verdef base'),
  );
  if (shared) refuse(`a ${shared.kind} entry shares the bytes of its SONAME`);

  const renamed = Buffer.from(elf);
  const at = strings.offset + soname.to;
  renamed.fill(0, at, at + name.length);
  renamed.write(newName, at, 'latin1');
  for (const { hashAt } of inside.filter(({ kind }) => kind === 'verdef base')) {
    if (elf.readUInt32LE(hashAt) !== elfHash(name)) refuse('the base version has an unexpected hash');
    renamed.writeUInt32LE(elfHash(newName), hashAt);
  }
  if (readSoname(renamed) !== newName) refuse('the new name does not read back');
  return renamed;
}
