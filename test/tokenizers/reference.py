"""Writes what the Python package `tokenizers` makes of real texts, for test/native/tokenizer_reference_test.cc: the ids,
and where each token begins and ends, in UTF-16 code units.

    pip install tokenizers==0.23.2
    python test/tokenizers/reference.py --datasets FOLDER --texts 4000 --output reference.json
    build/cmake/native-tests/tokenizer_reference_test reference.json

FOLDER holds retrieval sets in BEIR layout (corpus.jsonl, queries.jsonl). With --sample it writes the small file that is
kept in test/fixtures/tokenizers, from texts of its own.
"""

import argparse
import json
import pathlib
import random

import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZERS = ROOT / "test/fixtures/tokenizers"

# Where tokenizers differ: case, accents, scripts, digits, whitespace, control characters, emoji, spelt special tokens.
SAMPLE = [
    "", " ", "   leading and trailing   ", "Hello, world!", "naïve café — “quoted” … ½ ﬁ ﬂ Ǆ", "ÀÉÎÕÜ àéîõü ß ſ İ ı",
    "don't can't we'll I'd you're o'clock", "1234567890 3.14159 1,000,000 0x1F 1e-10", "snake_case camelCase kebab-case",
    "https://example.org/path?x=1&y=2#top user@example.org", "C++ C# .NET a/b\\c d|e", "tabs\tand\nnew\r\nlines\u2028sep\u3000",
    "什么是检索增强生成（RAG）？", "数据库索引可以加快查询速度。", "今天天气很好，我们去公园吧！２０２４年", "日本語のテキストと한국어 텍스트",
    "Русский текст, ελληνικά, עברית, العربية, हिन्दी, ไทย", "e\u0301 combining a\u0308 o\u0302\u0323 \u1e69", "👍🏽 👨‍👩‍👧‍👦 🇩🇪 emoji ☃",
    "\u0000nul \u0001 \u001f \u007f \u0085 \u200b \u200d \ufeff \ufffd", "[CLS] [SEP] [MASK] [UNK] [PAD] <s> </s> <pad> <mask> <unk>",
    "<|endoftext|> </s></s> [SEP][SEP]", "a" * 300, "ab " * 200, "好" * 200, "word" * 60, "....!!!!????----____", "    \n\n\n\t\t",
    "The quick brown fox jumps over the lazy dog.", "ALL CAPS AND MiXeD CaSe", "㎏ ㍿ Ⅷ ① ﷺ ｈａｌｆ ｗｉｄｔｈ", "\U0001d400\U0001d401 math 𝒜",
    "def f(x):\n    return {'a': x[0] ** 2}  # comment", "$9.99 €5 £3 ¥100 50% ±0.1 ×2 ÷3 ≠ ≤ ∞",
]


def dataset_texts(folder: pathlib.Path, count: int) -> list[str]:
    texts = []
    for path in sorted(folder.glob("*/*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    random.Random(0).shuffle(texts)
    return texts[:count]


def utf16_offsets(text: str, offsets: list[tuple[int, int]]) -> dict[str, list[int]]:
    """Python counts characters; one beyond the basic plane is two code units."""
    units = [0]
    for character in text:
        units.append(units[-1] + (2 if ord(character) > 0xFFFF else 1))
    return {"starts": [units[start] for start, _ in offsets], "ends": [units[end] for _, end in offsets]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--datasets", type=pathlib.Path)
    source.add_argument("--sample", action="store_true")
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    texts = SAMPLE if arguments.sample else dataset_texts(arguments.datasets, arguments.texts) + SAMPLE
    ids, offsets = {}, {}
    for path in sorted(TOKENIZERS.glob("*.json")):
        if path.name == "sample.json":
            continue
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        encodings = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        ids[path.name] = [encoding.ids for encoding in encodings]
        offsets[path.name] = [utf16_offsets(text, encoding.offsets) for text, encoding in zip(texts, encodings)]
    with open(arguments.output, "w", encoding="utf-8") as out:
        reference = {"tokenizers": tokenizers.__version__, "texts": texts, "ids": ids, "offsets": offsets}
        json.dump(reference, out, separators=(",", ":"))
    print(f"{len(texts)} texts, {len(ids)} tokenizers: {arguments.output}")


if __name__ == "__main__":
    main()
