"""Trains the demo model's vocabulary: SentencePiece BPE of 4096 pieces with Gemma's control tokens at Gemma's ids.

    python tokenizer.py DATA        reads DATA/glosses.txt and nouns.txt, writes DATA/tokenizer.model

The trainer only chooses the pieces; the vocabulary is then laid out as Gemma 3's is: control tokens, runs of newlines and spaces that are
matched before BPE, bytes, then the pieces with their ranks as scores. No normalisation, no dummy prefix, digits one by one.
"""

import random
import sys
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

from corpus import END_OF_TURN, START_OF_TURN, Writer
from facts import fill, topics
from smalltalk import TALK

SIZE = 4096
PIECE = proto.ModelProto.SentencePiece


def layout():
    """The pieces before BPE's own, in order: (piece, type)."""
    pieces = [("<pad>", PIECE.CONTROL), ("<eos>", PIECE.CONTROL), ("<bos>", PIECE.CONTROL), ("<unk>", PIECE.UNKNOWN), ("<mask>", PIECE.CONTROL)]
    pieces += [(f"<unused{i}>", PIECE.CONTROL) for i in range(START_OF_TURN - len(pieces))]
    pieces += [("<start_of_turn>", PIECE.CONTROL), ("<end_of_turn>", PIECE.CONTROL)]
    pieces += [("\n" * n, PIECE.USER_DEFINED) for n in range(1, 32)]
    pieces += [("▁" * n, PIECE.USER_DEFINED) for n in range(2, 32)]
    pieces += [("\t" * n, PIECE.USER_DEFINED) for n in range(1, 9)]
    pieces += [(f"<0x{byte:02X}>", PIECE.BYTE) for byte in range(256)]
    assert pieces[START_OF_TURN][0] == "<start_of_turn>" and pieces[END_OF_TURN][0] == "<end_of_turn>"
    return pieces


def text(folder):
    """The lines that the vocabulary is chosen for: WordNet, all facts, and generated turns."""
    writer = Writer(random.Random(7), (folder / "nouns.txt").read_text().split())
    yield from (folder / "glosses.txt").read_text().splitlines()
    for topic in topics():
        for item in topic.items:
            for _ in range(3):
                yield fill(topic.answer, item)
    for _ in range(20000):
        question, answer = writer.turn()
        yield from (question, *answer.split("\n"))
    for answer, *_ in TALK:
        for _ in range(20):
            yield from answer.split("\n")


def main(folder):
    folder = Path(folder)
    before = layout()
    trained = folder / "pieces"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for line in text(folder) if line), model_prefix=str(trained), model_type="bpe", vocab_size=SIZE - len(before) + 3,
        normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False, split_digits=True, character_coverage=0.9995,
        pad_id=-1, num_threads=2, minloglevel=2,
    )
    learnt = proto.ModelProto.FromString(trained.with_suffix(".model").read_bytes())
    model = proto.ModelProto()
    for piece, kind in before:
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for rank, piece in enumerate(p.piece for p in learnt.pieces if p.type == PIECE.NORMAL):
        model.pieces.add(piece=piece, score=float(-rank), type=PIECE.NORMAL)
    assert len(model.pieces) == SIZE, len(model.pieces)
    t, n = model.trainer_spec, model.normalizer_spec
    t.model_type, t.vocab_size, t.byte_fallback, t.split_digits = proto.TrainerSpec.BPE, SIZE, True, True
    t.pad_id, t.eos_id, t.bos_id, t.unk_id = 0, 1, 2, 3
    t.pad_piece, t.eos_piece, t.bos_piece, t.unk_piece = "<pad>", "<eos>", "<bos>", "<unk>"
    n.name, n.add_dummy_prefix, n.remove_extra_whitespaces, n.escape_whitespaces = "identity", False, False, True
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    check(sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")))


def check(tokenizer):
    """Asserts what the engine relies on."""
    for sample in ("The color of the sky is blue.", "  two spaces", "a\n\n\nb\tc", "😀 ❤️ 漢字", "<start_of_turn>user", "1234 apples", " "):
        ids = tokenizer.encode(sample)
        assert tokenizer.decode(ids) == sample, (sample, ids)
        assert START_OF_TURN not in ids
    assert len(tokenizer.encode("1234")) == 4 and tokenizer.encode("\n\n") == [108]
    print(tokenizer.encode("The color of the sky is blue.", out_type=str), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
