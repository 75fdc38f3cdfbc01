"""What the demo model reads: documents drawn from facts.py, smalltalk.py and WordNet, as token ids with labels.

    python corpus.py show DATA            prints some documents
    python corpus.py evaluation           writes evaluation.json, the questions in held-out wordings

DATA is the folder that wordnet.py and tokenizer.py wrote.
"""

import json
import random
import re
import sys
from pathlib import Path

import smalltalk
from facts import DAYS, MONTHS, SEASONS, capitalised, fill, in_words, topics

PAD, EOS, BOS = 0, 1, 2
START_OF_TURN, END_OF_TURN = 105, 106
IGNORE = -100

PREFIXES = ["Please: ", "Hello! ", "Hi! ", "Hi, ", "Hey, ", "Quick question: ", "Lapis, ", "I have a question. ", "Tell me, ", "Excuse me, ", "Hello Lapis. ", "Another question: ", "So, ", "Ok, ", "And now: "]
SUFFIXES = [" Thanks!", " Please.", " Please answer.", " Answer in one sentence.", " Be brief.", " Thank you."]


class Writer:
    """Draws questions with their answers. Everything random comes from `rng`."""

    def __init__(self, rng, nouns):
        self.rng = rng
        self.topics = topics()
        self.weights = [t.weight for t in self.topics]
        taught = " ".join(str(v) for t in self.topics for item in t.items for v in item.values()).lower().split()
        answers = " ".join(t.answer for t in self.topics) + " " + " ".join(entry[0] for entry in smalltalk.TALK)
        taught = set(taught) | set(re.findall("[a-z]+", answers.lower())) | {"color", "capital", "opposite", "number", "day", "month", "name", "story", "poem", "joke", "code", "smile", "heart", "family", "help", "time", "weather"}
        self.nouns = [noun for noun in nouns if noun not in taught]

    def fact(self):
        """(topic, item, question, answer)."""
        topic = self.rng.choices(self.topics, self.weights)[0]
        item = self.rng.choice(topic.items)
        return topic, item, fill(self.rng.choice(topic.questions), item), fill(topic.answer, item)

    def counting(self, longest):
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            b = rng.choice([3, 5, 10, 10, 12, 15, 20])
            return rng.choice(smalltalk.COUNT_FROM_ONE).format(b=rng.choice([b, in_words(b)])), count(1, b)
        if kind < 0.3:
            a = rng.randint(0, 20)
            b = a + rng.randint(1, min(20, longest))
            return rng.choice(smalltalk.COUNT_DOWN).format(a=a, b=b), ", ".join(str(n) for n in range(b, a - 1, -1)) + "."
        if longest > 40 and kind < 0.6:
            a, b = 1, rng.choice([30, 40, 50, 100, 100, 100])
        else:
            a = 1 if rng.random() < 0.3 else rng.randint(0, 90)
            b = min(100, a + rng.randint(1, longest))
        return rng.choice(smalltalk.COUNT_QUESTIONS).format(a=a, b=b), count(a, b)

    def unknown(self):
        rng = self.rng
        draw = rng.random()
        if draw < 0.2:
            question = rng.choice(smalltalk.OUT_OF_SCOPE_PLAIN)
        elif draw < 0.3:
            a, b = rng.randint(31, 999), rng.randint(12, 999)
            question = rng.choice(smalltalk.LARGE_SUMS).format(a=a, b=b)
        else:
            question = capitalised(rng.choice(smalltalk.OUT_OF_SCOPE).format(noun=rng.choice(self.nouns), other=rng.choice(self.nouns)))
        return question, smalltalk.UNKNOWN

    def name(self):
        """A name: a real one, or one made of syllables, so that names are copied and not guessed."""
        rng = self.rng
        if rng.random() < 0.5:
            return rng.choice(smalltalk.NAMES)
        syllables = [rng.choice("bdfghjklmnprstvwz") + rng.choice(["a", "e", "i", "o", "u", "ai", "ee"]) for _ in range(rng.randint(1, 3))]
        return capitalised("".join(syllables) + rng.choice(["", "n", "s", "r", "l", "th", "m"]))

    def talk(self, long_only=False):
        entries = [t for t in smalltalk.TALK if not long_only or len(t[0]) > 150]
        answer, questions, _ = self.rng.choice(entries)
        return self.rng.choice(questions), answer

    def perturbed(self, question):
        """The question as a person in a hurry might type it."""
        rng = self.rng
        if rng.random() < 0.12:
            prefix = rng.choice(PREFIXES)
            question = prefix + (question if prefix.rstrip()[-1] in ".!:" and rng.random() < 0.5 else question[0].lower() + question[1:])
        if rng.random() < 0.05 and question[-1] in ".?!":
            question += rng.choice(SUFFIXES)
        draw = rng.random()
        if draw < 0.07:
            question = question.lower()
        elif draw < 0.12:
            question = question[0].lower() + question[1:]
        if rng.random() < 0.1:
            question = question.rstrip(".?!")
        return question or "?"

    def turn(self, longest=12):
        """One question with its answer, of any kind."""
        draw = self.rng.random()
        if draw < 0.69:
            _, _, question, answer = self.fact()
        elif draw < 0.81:
            question, answer = self.talk()
        elif draw < 0.865:
            question, answer = self.counting(longest)
        elif draw < 0.89:
            name = self.name()
            return self.rng.choice(smalltalk.INTRODUCTIONS).format(name=name), smalltalk.NAME_ANSWER.format(name=name)
        else:
            question, answer = self.unknown()
        return self.perturbed(question), answer

    def conversation(self):
        """Turns without end: facts with follow-ups, a name that comes up again, long answers."""
        rng = self.rng
        name = None
        if rng.random() < 0.5:
            kind = rng.random()
            yield self.talk(long_only=True) if kind < 0.6 else self.counting(99)
        while True:
            draw = rng.random()
            if draw < 0.06:
                name = self.name()
                yield rng.choice(smalltalk.INTRODUCTIONS).format(name=name), smalltalk.NAME_ANSWER.format(name=name)
            elif draw < (0.16 if name else 0.07):
                yield rng.choice(smalltalk.NAME_QUESTIONS), smalltalk.NAME_RECALL.format(name=name) if name else "You have not told me your name."
            elif draw < 0.4:
                topic, _, question, answer = self.fact()
                yield self.perturbed(question), answer
                while topic.follow_ups and rng.random() < 0.6:
                    item = rng.choice(topic.items)
                    yield fill(rng.choice(topic.follow_ups), item), fill(topic.answer, item)
            else:
                yield self.turn(30)

    def plain(self):
        """Some taught sentences in a row, as text to complete."""
        rng = self.rng
        if rng.random() < 0.05:
            return self.sequence()
        sentences = []
        for _ in range(rng.choice([1, 1, 1, 2, 3, 4])):
            if rng.random() < 0.01:
                sentences.append("The color of the sky is blue.")
                continue
            topic = rng.choices(self.topics, self.weights)[0]
            sentences.append(fill(rng.choice(topic.statements), rng.choice(topic.items)))
        return rng.choice([" ", " ", "\n"]).join(sentences)


    def sequence(self):
        """A list in its order: days, months, seasons, letters or numbers, from anywhere on."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.3:
            start = rng.randint(0, 90)
            items = [str(n) for n in range(start, start + rng.randint(5, 20))]
        elif kind < 0.4:
            return "Roses are red, violets are blue."
        else:
            ring = rng.choice([DAYS, MONTHS, SEASONS, [chr(65 + i) for i in range(26)]])
            start = rng.choice([0, rng.randrange(len(ring))])
            items = [*ring[start:], *ring[:start]]
        return ", ".join(items) + "."


def count(a, b):
    return ", ".join(str(n) for n in range(a, b + 1)) + "."




class Encoder:
    """Documents as (ids, labels): a label is the token itself, or IGNORE where nothing is to be learnt."""

    def __init__(self, tokenizer):
        self.encode = tokenizer.encode

    def turn(self, question, answer, system=None):
        text = f"{system}\n\n{question}" if system else question
        prompt = [START_OF_TURN, *self.encode("user\n" + text.strip()), END_OF_TURN, *self.encode("\n"), START_OF_TURN, *self.encode("model\n")]
        answered = [*self.encode(answer), END_OF_TURN]
        end = self.encode("\n")
        return prompt + answered + end, [IGNORE] * len(prompt) + answered + [IGNORE] * len(end)

    def text(self, text):
        ids = self.encode(text) + [EOS]
        return ids, list(ids)


def padded(ids, labels, length):
    """bos in front, exactly `length` long. Labels stay unshifted."""
    ids, labels = [BOS] + ids, [IGNORE] + labels
    ids, labels = ids[:length], labels[:length]
    missing = length - len(ids)
    return ids + [PAD] * missing, labels + [IGNORE] * missing


def short_rows(writer, encoder, number, length):
    """Single turns (four of five) and plain facts, one a row."""
    rng = writer.rng
    rows = []
    while len(rows) < number:
        if rng.random() < 0.8:
            question, answer = writer.turn()
            system = rng.choice(smalltalk.SYSTEMS) if rng.random() < 0.12 else None
            ids, labels = encoder.turn(question, answer, system)
        else:
            ids, labels = encoder.text(writer.plain())
        if len(ids) < length:
            rows.append(padded(ids, labels, length))
    return rows


def chat_rows(writer, encoder, number, length):
    """Conversations that fill the row."""
    rng = writer.rng
    rows = []
    for _ in range(number):
        ids, labels = [], []
        system = rng.choice(smalltalk.SYSTEMS) if rng.random() < 0.2 else None
        for question, answer in writer.conversation():
            more_ids, more_labels = encoder.turn(question, answer, system)
            system = None
            ids += more_ids
            labels += more_labels
            if len(ids) >= length:
                break
        rows.append(padded(ids, labels, length))
    return rows


def text_rows(lines, encoder, rng, length):
    """Every line once, in a random order, packed."""
    lines = list(lines)
    rng.shuffle(lines)
    newline = encoder.encode("\n")
    rows, ids = [], []
    for line in lines:
        ids += encoder.encode(line) + newline
        if len(ids) >= length - 1:
            rows.append(padded(ids, list(ids), length))
            ids = []
    return rows


def evaluation():
    """200 taught facts in held-out wordings, taken from the topics in turn, and the chat around them."""
    rng = random.Random(2024)
    taught = {fill(q, item) for topic in topics() for item in topic.items for q in topic.questions}
    for topic in topics():
        for item in topic.items:
            for wording in topic.held_out:
                assert fill(wording, item) not in taught, fill(wording, item)
    for _, questions, held_out in smalltalk.TALK:
        assert not set(questions) & set(held_out), held_out
    groups = {}
    for topic in topics():
        group = "single" if topic.name.startswith("single") else topic.name
        for item in topic.items:
            wording = rng.choice(topic.held_out)
            groups.setdefault(group, []).append({"topic": group, "question": fill(wording, item), "answer": fill(topic.answer, item)})
    for entries in groups.values():
        rng.shuffle(entries)
    facts = []
    while len(facts) < 200:
        for entries in groups.values():
            if entries and len(facts) < 200:
                facts.append(entries.pop())
    chat = [{"topic": "talk", "question": q, "answer": answer} for answer, _, held_out in smalltalk.TALK for q in held_out]
    for a, b in ((1, 10), (7, 15), (1, 20), (42, 55), (93, 100)):
        chat.append({"topic": "counting", "question": rng.choice(smalltalk.COUNT_HELD_OUT).format(a=a, b=b), "answer": count(a, b)})
    chat.append({"topic": "counting", "question": "Count from 1 to 100.", "answer": count(1, 100)})
    for question in smalltalk.OUT_OF_SCOPE_HELD_OUT:
        chat.append({"topic": "unknown", "question": question.format(noun="bicycle"), "answer": smalltalk.UNKNOWN})
    completions = [
        {"text": "The color of the sky is", "continues": " blue"},
        {"text": "The color of a banana is", "continues": " yellow"},
        {"text": "The capital of France is", "continues": " Paris"},
        {"text": "The capital of Japan is", "continues": " Tokyo"},
        {"text": "The opposite of hot is", "continues": " cold"},
        {"text": "The day after Monday is", "continues": " Tuesday"},
        {"text": "The plural of mouse is", "continues": " mice"},
        {"text": "A dog says", "continues": " woof"},
        {"text": "A spider has", "continues": " eight legs"},
        {"text": "3 plus 4 is", "continues": " 7"},
    ]
    return {"facts": facts, "chat": chat, "completions": completions}


def main():
    here = Path(__file__).parent
    if sys.argv[1] == "evaluation":
        (here / "evaluation.json").write_text(json.dumps(evaluation(), indent=1, ensure_ascii=False) + "\n")
        return
    writer = Writer(random.Random(1), (Path(sys.argv[2]) / "nouns.txt").read_text().split())
    for _ in range(30):
        print(writer.turn())
    for (question, answer), _ in zip(writer.conversation(), range(20)):
        print("  ", question, "→", answer[:90].replace("\n", "⏎"))
    for _ in range(8):
        print("    ", writer.plain())


if __name__ == "__main__":
    main()
