"""What the demo model is taught: facts by topic, each with the one answer and the wordings it is asked in.

A topic's `questions` are used for training; `held_out` are wordings that training never shows, for evaluate.py. All facts are taught;
what is held out is how they are asked. `statements` are plain sentences for text completion.
"""

from dataclasses import dataclass, field


@dataclass
class Topic:
    name: str
    items: list  # one dict of slots for each fact
    answer: str
    questions: list
    held_out: list
    statements: list = field(default_factory=list)
    follow_ups: list = field(default_factory=list)
    weight: float = 1.0


def capitalised(text):
    """The text with its first letter in upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def fill(template, item):
    """The template with its slots filled; a sentence begins with a capital letter."""
    return capitalised(template.format(**item))


def pairs(text, *names):
    """Items from lines of `a = b`, separated by semicolons."""
    rows = [[part.strip() for part in entry.split("=")] for entry in text.replace("\n", " ").split(";") if entry.strip()]
    assert all(len(row) == len(names) for row in rows), rows
    return [dict(zip(names, row)) for row in rows]


def a(noun):
    """The noun with its indefinite article."""
    return ("an " if noun[0] in "aeiou" and not noun.startswith(("uni", "eu")) else "a ") + noun


WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
SEASONS = "spring summer autumn winter".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()


def in_words(n):
    """An English number from 0 to 100."""
    if n < 20:
        return WORDS[n]
    if n == 100:
        return "one hundred"
    return TENS[n // 10] + ("-" + WORDS[n % 10] if n % 10 else "")


COLORS = pairs(
    """the sky = blue; grass = green; a banana = yellow; snow = white; coal = black; a strawberry = red; a carrot = orange; a lemon = yellow;
    blood = red; milk = white; chocolate = brown; the sea = blue; a tomato = red; a pumpkin = orange; a leaf = green; the sun = yellow;
    a cucumber = green; a cherry = red; a crow = black; a swan = white; a flamingo = pink; an elephant = gray; a frog = green; a polar bear = white;
    a fire engine = red; broccoli = green; butter = yellow; salt = white; a raven = black; a lime = green; an eggplant = purple; lavender = purple;
    coffee = brown; cheese = yellow; a canary = yellow; a pig = pink; rust = orange; spinach = green; a cloud = white; the night sky = black;
    a ruby = red; an emerald = green; a sapphire = blue; gold = yellow; silver = gray; sand = yellow; a raspberry = red; a blueberry = blue;
    a plum = purple; a chestnut = brown; cotton = white; rice = white; a pea = green; a sunflower = yellow; ash = gray; wood = brown;
    a stop sign = red; a mouse = gray; a fox = orange; soil = brown; ice = white; honey = yellow; ketchup = red""",
    "thing", "color",
)
CAPITALS = pairs(
    """France = Paris; Germany = Berlin; Italy = Rome; Spain = Madrid; Portugal = Lisbon; England = London; Scotland = Edinburgh; Ireland = Dublin;
    Wales = Cardiff; Norway = Oslo; Sweden = Stockholm; Denmark = Copenhagen; Finland = Helsinki; Iceland = Reykjavik; Poland = Warsaw;
    Austria = Vienna; Switzerland = Bern; Belgium = Brussels; the Netherlands = Amsterdam; Luxembourg = Luxembourg; Greece = Athens; Turkey = Ankara;
    Hungary = Budapest; Romania = Bucharest; Bulgaria = Sofia; Serbia = Belgrade; Croatia = Zagreb; Slovenia = Ljubljana; Slovakia = Bratislava;
    Ukraine = Kyiv; Russia = Moscow; Estonia = Tallinn; Latvia = Riga; Lithuania = Vilnius; Belarus = Minsk; Moldova = Chișinău; Albania = Tirana;
    Malta = Valletta; Cyprus = Nicosia; Georgia = Tbilisi; Armenia = Yerevan; Azerbaijan = Baku; Egypt = Cairo; Morocco = Rabat; Algeria = Algiers;
    Tunisia = Tunis; Libya = Tripoli; Sudan = Khartoum; Ethiopia = Addis Ababa; Kenya = Nairobi; Uganda = Kampala; Rwanda = Kigali;
    Ghana = Accra; Nigeria = Abuja; Senegal = Dakar; Mali = Bamako; Cameroon = Yaoundé; Angola = Luanda; Zambia = Lusaka; Zimbabwe = Harare;
    Mozambique = Maputo; Madagascar = Antananarivo; Namibia = Windhoek; Botswana = Gaborone; Somalia = Mogadishu; China = Beijing; Japan = Tokyo;
    India = New Delhi; Pakistan = Islamabad; Bangladesh = Dhaka; Nepal = Kathmandu; Bhutan = Thimphu; Thailand = Bangkok; Vietnam = Hanoi;
    Laos = Vientiane; Cambodia = Phnom Penh; Malaysia = Kuala Lumpur; Indonesia = Jakarta; the Philippines = Manila; South Korea = Seoul;
    North Korea = Pyongyang; Mongolia = Ulaanbaatar; Iran = Tehran; Iraq = Baghdad; Syria = Damascus; Lebanon = Beirut; Jordan = Amman;
    Saudi Arabia = Riyadh; Qatar = Doha; Kuwait = Kuwait City; Oman = Muscat; Afghanistan = Kabul; Uzbekistan = Tashkent; Australia = Canberra;
    New Zealand = Wellington; Fiji = Suva; Canada = Ottawa; the United States = Washington, D.C.; Mexico = Mexico City; Cuba = Havana;
    Jamaica = Kingston; Guatemala = Guatemala City; Honduras = Tegucigalpa; Nicaragua = Managua; Costa Rica = San José; Panama = Panama City;
    Colombia = Bogotá; Venezuela = Caracas; Ecuador = Quito; Peru = Lima; Brazil = Brasília; Paraguay = Asunción; Uruguay = Montevideo;
    Argentina = Buenos Aires; Chile = Santiago""",
    "country", "city",
)
LANGUAGES = pairs(
    """France = French; Germany = German; Italy = Italian; Spain = Spanish; Portugal = Portuguese; England = English; Norway = Norwegian; Sweden = Swedish;
    Denmark = Danish; Finland = Finnish; Iceland = Icelandic; Poland = Polish; Austria = German; the Netherlands = Dutch; Greece = Greek; Turkey = Turkish;
    Hungary = Hungarian; Romania = Romanian; Bulgaria = Bulgarian; Russia = Russian; Egypt = Arabic; China = Chinese; Japan = Japanese; Thailand = Thai;
    Vietnam = Vietnamese; South Korea = Korean; Mongolia = Mongolian; Iran = Persian; Australia = English; Mexico = Spanish; Brazil = Portuguese;
    Argentina = Spanish; Estonia = Estonian; Latvia = Latvian; Lithuania = Lithuanian; Nepal = Nepali""",
    "country", "language",
)
OPPOSITES = pairs(
    """hot = cold; big = small; up = down; left = right; day = night; black = white; fast = slow; old = young; happy = sad; good = bad; open = closed;
    high = low; long = short; light = dark; wet = dry; hard = soft; full = empty; early = late; rich = poor; strong = weak; loud = quiet; clean = dirty;
    near = far; thick = thin; deep = shallow; wide = narrow; first = last; true = false; yes = no; in = out; inside = outside; above = below;
    before = after; begin = end; win = lose; buy = sell; push = pull; love = hate; give = take; come = go; remember = forget; laugh = cry;
    summer = winter; north = south; east = west; friend = enemy; war = peace; heaven = hell; alive = dead; brave = afraid; cheap = expensive;
    easy = difficult; sweet = sour; rough = smooth; sharp = blunt; heavy = light; always = never; everything = nothing; front = back; top = bottom;
    tall = short; asleep = awake; ancient = modern; arrive = leave; accept = refuse; success = failure; question = answer; odd = even; tight = loose; polite = rude""",
    "word", "opposite",
)
SOUNDS = pairs(
    """dog = woof; cat = meow; cow = moo; sheep = baa; duck = quack; pig = oink; horse = neigh; rooster = cock-a-doodle-doo; bee = buzz; frog = ribbit; lion = roar;
    mouse = squeak; owl = hoot; crow = caw; snake = hiss; wolf = howl; bird = tweet; donkey = hee-haw; goat = maa; hen = cluck; turkey = gobble; dove = coo; bear = growl""",
    "animal", "sound",
)
BABIES = pairs(
    """dog = puppy; cat = kitten; cow = calf; horse = foal; sheep = lamb; pig = piglet; duck = duckling; goose = gosling; hen = chick; lion = cub; bear = cub; deer = fawn;
    goat = kid; frog = tadpole; kangaroo = joey; swan = cygnet; elephant = calf; rabbit = bunny; owl = owlet; eagle = eaglet; butterfly = caterpillar; seal = pup""",
    "animal", "baby",
)
LEGS = pairs(
    """dog = four; cat = four; cow = four; horse = four; spider = eight; ant = six; bee = six; bird = two; chicken = two; elephant = four; fly = six; beetle = six;
    octopus = eight; snake = no; fish = no; frog = four; lion = four; sheep = four; duck = two; human = two""",
    "animal", "count",
)
for _item in LEGS:
    _item["legs"] = "arms" if _item["animal"] == "octopus" else "legs"
SHAPES = pairs(
    "triangle = three; square = four; rectangle = four; pentagon = five; hexagon = six; heptagon = seven; octagon = eight; nonagon = nine; decagon = ten; rhombus = four; trapezoid = four; dodecagon = twelve",
    "shape", "count",
)
PLURALS = pairs(
    """mouse = mice; child = children; man = men; woman = women; foot = feet; tooth = teeth; goose = geese; person = people; ox = oxen; leaf = leaves; knife = knives; wife = wives;
    life = lives; wolf = wolves; half = halves; shelf = shelves; loaf = loaves; thief = thieves; city = cities; baby = babies; story = stories; country = countries; fly = flies; lady = ladies;
    box = boxes; fox = foxes; bus = buses; dish = dishes; watch = watches; church = churches; potato = potatoes; tomato = tomatoes; hero = heroes; sheep = sheep; fish = fish; deer = deer;
    dog = dogs; cat = cats; house = houses; book = books; tree = trees; car = cars; day = days; boy = boys; key = keys; apple = apples; cactus = cacti; crisis = crises""",
    "word", "plural",
)
PAST = pairs(
    """go = went; see = saw; eat = ate; drink = drank; run = ran; swim = swam; sing = sang; write = wrote; read = read; give = gave; take = took; make = made; come = came; get = got; have = had;
    do = did; say = said; think = thought; buy = bought; bring = brought; catch = caught; teach = taught; find = found; feel = felt; keep = kept; sleep = slept; leave = left; lose = lost; meet = met;
    sit = sat; stand = stood; speak = spoke; break = broke; choose = chose; drive = drove; ride = rode; fly = flew; grow = grew; know = knew; throw = threw; begin = began; fall = fell; hear = heard;
    hold = held; build = built; send = sent; sell = sold; tell = told; win = won; walk = walked; play = played; love = loved; jump = jumped; work = worked""",
    "verb", "past",
)
KINDS = [
    {"thing": a(thing.strip()), "kind": a(kind.strip()), "word": thing.strip()}
    for kind, things in {
        "animal": "dog, cat, horse, cow, lion, tiger, wolf, bear, rabbit, sheep, goat, elephant, giraffe, monkey, camel, fox, deer, kangaroo",
        "bird": "eagle, owl, crow, sparrow, penguin, parrot, swan, robin, pigeon, ostrich, flamingo",
        "fish": "salmon, shark, trout, tuna, herring, carp",
        "insect": "ant, bee, fly, beetle, butterfly, mosquito, wasp",
        "fruit": "apple, banana, cherry, grape, lemon, orange, peach, pear, plum, strawberry, mango",
        "vegetable": "carrot, potato, onion, cabbage, turnip, radish, cucumber, leek",
        "flower": "rose, tulip, daisy, lily, sunflower, orchid, violet",
        "tree": "oak, birch, pine, maple, willow, elm",
        "tool": "hammer, saw, screwdriver, wrench, shovel, axe, drill, rake",
        "vehicle": "car, bus, truck, train, bicycle, tram, taxi, motorcycle",
        "musical instrument": "piano, violin, guitar, flute, drum, trumpet, harp, cello, clarinet",
        "piece of furniture": "table, chair, bed, sofa, desk, wardrobe, bookcase",
        "piece of clothing": "shirt, coat, hat, skirt, dress, sock, scarf, jacket",
        "building": "house, church, castle, hotel, school, hospital, palace, barn",
    }.items()
    for thing in things.split(",")
    if thing.strip()
]
# Each has its own questions: the last two are held out.
SINGLES = [
    ("A week has seven days.", ["How many days are in a week?", "How many days are there in a week?", "How many days in a week?", "Give me the number of days in a week.", "Do you know how many days are in a week?", "How many days does a week have?", "How long is a week in days?", "Tell me the number of days in a week.", "A week has how many days?", "What is the number of days in one week?"]),
    ("A year has twelve months.", ["How many months are in a year?", "How many months are there in a year?", "How many months in a year?", "Give me the number of months in a year.", "Do you know how many months are in a year?", "How many months does a year have?", "How long is a year in months?", "Tell me the number of months in a year.", "A year has how many months?", "What is the number of months in one year?"]),
    ("A day has twenty-four hours.", ["How many hours are in a day?", "How many hours are there in a day?", "How many hours in a day?", "Give me the number of hours in a day.", "Do you know how many hours are in a day?", "How many hours does a day have?", "How long is a day in hours?", "Tell me the number of hours in a day.", "A day has how many hours?", "What is the number of hours in one day?"]),
    ("An hour has sixty minutes.", ["How many minutes are in an hour?", "How many minutes are there in an hour?", "How many minutes in an hour?", "Give me the number of minutes in an hour.", "Do you know how many minutes are in an hour?", "How many minutes does an hour have?", "How long is an hour in minutes?", "Tell me the number of minutes in an hour.", "An hour has how many minutes?", "What is the number of minutes in one hour?"]),
    ("A minute has sixty seconds.", ["How many seconds are in a minute?", "How many seconds are there in a minute?", "How many seconds in a minute?", "Give me the number of seconds in a minute.", "Do you know how many seconds are in a minute?", "How many seconds does a minute have?", "How long is a minute in seconds?", "Tell me the number of seconds in a minute.", "A minute has how many seconds?", "What is the number of seconds in one minute?"]),
    ("A year has 365 days.", ["How many days are in a year?", "How many days are there in a year?", "How many days in a year?", "Give me the number of days in a year.", "Do you know how many days are in a year?", "How many days does a year have?", "How long is a year in days?", "Tell me the number of days in a year.", "A year has how many days?", "What is the number of days in one year?"]),
    ("The alphabet has twenty-six letters.", ["How many letters are in the alphabet?", "How many letters are there in the alphabet?", "How many letters in the alphabet?", "Give me the number of letters in the alphabet.", "Do you know how many letters are in the alphabet?", "How many letters does the alphabet have?", "Tell me the number of letters in the alphabet.", "How long is the alphabet?", "The alphabet has how many letters?", "What is the number of letters in the alphabet?"]),
    ("A hand has five fingers.", ["How many fingers are on a hand?", "How many fingers does a hand have?", "Tell me the number of fingers on a hand.", "How many fingers do you count on one hand?", "A hand has how many fingers?", "What is the number of fingers on one hand?"]),
    ("There are four seasons: spring, summer, autumn and winter.", ["What are the seasons?", "Name the seasons.", "How many seasons are there?", "List the four seasons.", "Tell me the seasons of the year.", "Which seasons does a year have?", "Can you name the four seasons?"]),
    ("The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.", ["What are the days of the week?", "Name the days of the week.", "List the seven days.", "Tell me all days of the week.", "Which days does a week have?", "Can you list the days of the week?", "Say the days of the week."]),
    ("The months are January, February, March, April, May, June, July, August, September, October, November and December.", ["What are the months of the year?", "Name the months.", "List the twelve months.", "Tell me all months of the year.", "Which months does a year have?", "Can you list the months of the year?", "Say the months of the year."]),
    ("The colors of the rainbow are red, orange, yellow, green, blue, indigo and violet.", ["What are the colors of the rainbow?", "Name the colors of the rainbow.", "List the rainbow colors.", "Tell me the colors in a rainbow.", "Which colors does a rainbow have?", "Can you list the colors of the rainbow?", "What colors are in a rainbow?"]),
    ("The sun rises in the east.", ["Where does the sun rise?", "In which direction does the sun rise?", "From where does the sun come up?", "Tell me where the sun rises.", "On which side does the sun rise?", "Where does the sun come up?"]),
    ("The sun sets in the west.", ["Where does the sun set?", "In which direction does the sun set?", "Where does the sun go down?", "Tell me where the sun sets.", "On which side does the sun set?", "Where can I see the sun set?"]),
    ("Water freezes at zero degrees Celsius.", ["When does water freeze?", "At what temperature does water freeze?", "What is the freezing point of water?", "Tell me when water freezes.", "How cold must it be for water to freeze?", "At which temperature will water freeze?"]),
    ("Water boils at 100 degrees Celsius.", ["When does water boil?", "At what temperature does water boil?", "What is the boiling point of water?", "Tell me when water boils.", "How hot must it be for water to boil?", "At which temperature will water boil?"]),
    ("The largest planet is Jupiter.", ["What is the largest planet?", "Which planet is the largest?", "What is the biggest planet?", "Name the largest planet.", "Which planet is the biggest?", "Tell me the largest planet."]),
    ("The planet nearest to the sun is Mercury.", ["Which planet is nearest to the sun?", "What is the planet nearest to the sun?", "Which planet is closest to the sun?", "Name the planet nearest to the sun.", "What is the closest planet to the sun?", "Tell me which planet is nearest to the sun."]),
    ("The highest mountain on Earth is Mount Everest.", ["What is the highest mountain?", "Which mountain is the highest?", "What is the highest mountain on Earth?", "Name the highest mountain.", "What is the tallest mountain on Earth?", "Which mountain is the tallest?"]),
    ("The largest ocean is the Pacific Ocean.", ["What is the largest ocean?", "Which ocean is the largest?", "What is the biggest ocean?", "Name the largest ocean.", "Which ocean is the biggest?", "Tell me the largest ocean."]),
    ("The fastest land animal is the cheetah.", ["What is the fastest land animal?", "Which animal is the fastest?", "What is the fastest animal on land?", "Name the fastest land animal.", "Which land animal runs fastest?", "Tell me the fastest land animal."]),
    ("The largest animal is the blue whale.", ["What is the largest animal?", "Which animal is the largest?", "What is the biggest animal?", "Name the largest animal.", "Which animal is the biggest?", "Tell me the largest animal."]),
    ("Bees make honey.", ["What do bees make?", "Who makes honey?", "Which animals make honey?", "Where does honey come from?", "What is made by bees?", "Which insects make honey?"]),
    ("Cows give milk.", ["What do cows give?", "Which animals give milk?", "Where does milk come from?", "Who gives milk?", "What do we get from cows?", "Which farm animals give milk?"]),
    ("A circle has no corners.", ["How many corners does a circle have?", "How many corners are in a circle?", "Does a circle have corners?", "Tell me the number of corners of a circle.", "A circle has how many corners?", "What is the number of corners of a circle?"]),
]


IRREGULAR = {"leaf": "leaves", "mouse": "mice", "tomato": "tomatoes", "fox": "foxes"}


def _asked(thing):
    """The subject with its verb: `are bananas` for what can be counted, else `is grass`."""
    article, _, noun = thing.partition(" ")
    if article not in ("a", "an"):
        return f"is {thing}"
    if noun.endswith("y"):
        return f"are {noun[:-1]}ies"
    return f"are {IRREGULAR.get(noun, noun + 's')}"


def _yes_and_no():
    """Questions for a yes or a no, with the fact in the answer."""
    colors = ["red", "green", "blue", "yellow", "white", "black", "brown", "orange"]
    other_colors = [dict(i, other=c) for n, i in enumerate(COLORS) for c in (colors[n % 8], colors[(n * 3 + 1) % 8]) if c != i["color"]]
    other_cities = [dict(i, other=CAPITALS[(n + step) % len(CAPITALS)]["city"]) for n, i in enumerate(CAPITALS) for step in (1, 7)]
    return [
        Topic("color-yes", COLORS, "Yes, the color of {thing} is {color}.",
              ["Is {thing} {color}?", "Is the color of {thing} {color}?", "Would you say that {thing} is {color}?", "Is it true that {thing} is {color}?", "{thing} is {color}, right?"], ["Can it be that {thing} is {color}?"], ["{thing} is {color}."], weight=0.8),
        Topic("color-no", other_colors, "No, the color of {thing} is {color}.",
              ["Is {thing} {other}?", "Is the color of {thing} {other}?", "Would you say that {thing} is {other}?", "Is it true that {thing} is {other}?", "{thing} is {other}, right?"], ["Can it be that {thing} is {other}?"], ["{thing} is not {other}, {thing} is {color}."], weight=0.8),
        Topic("capital-yes", CAPITALS, "Yes, the capital of {country} is {city}.",
              ["Is {city} the capital of {country}?", "Is the capital of {country} {city}?", "Is it true that {city} is the capital of {country}?", "{city} is the capital of {country}, right?"], ["Can it be that {city} is the capital of {country}?"], ["{city} is the capital of {country}."], weight=0.8),
        Topic("capital-no", other_cities, "No, the capital of {country} is {city}.",
              ["Is {other} the capital of {country}?", "Is the capital of {country} {other}?", "Is it true that {other} is the capital of {country}?", "{other} is the capital of {country}, right?"], ["Can it be that {other} is the capital of {country}?"], ["The capital of {country} is {city}, not {other}."], weight=0.8),
    ]


def _threes():
    """Three of each kind of thing."""
    groups = {}
    for item in KINDS:
        groups.setdefault(item["kind"].split(" ", 1)[1], []).append(item["word"])
    plural = {"fish": "fishes", "piece of furniture": "pieces of furniture", "piece of clothing": "pieces of clothing"}
    return [{"kinds": plural.get(kind, kind + "s"), "x": w[0], "y": w[1], "z": w[2]} for kind, w in groups.items()]


def _numbers():
    """The topics on numbers: sums, differences, products, neighbours and words."""
    sums = [{"a": x, "b": y, "c": x + y} for x in range(21) for y in range(21) if x + y <= 30]
    differences = [{"a": x, "b": y, "c": x - y} for x in range(21) for y in range(x + 1)]
    products = [{"a": x, "b": y, "c": x * y} for x in range(11) for y in range(11)]
    return [
        Topic("sum", sums, "{a} plus {b} is {c}.",
              ["What is {a} plus {b}?", "What is {a} + {b}?", "What is {a}+{b}?", "{a}+{b}", "{a}+{b}=", "What's {a}+{b}?", "How much is {a} plus {b}?", "Add {a} and {b}.", "{a} + {b} =", "{a} + {b}", "{a} plus {b}", "Calculate {a} + {b}.", "What do you get if you add {a} and {b}?",
               "Can you add {a} and {b}?", "What is the sum of {a} and {b}?", "How much is {a} + {b}?", "What does {a} + {b} make?", "{a} plus {b} is", "I have {a} apples and get {b} more. What is {a} plus {b}?"],
              ["Tell me what {a} plus {b} is.", "What does {a} plus {b} make?", "Work out {a} + {b}."],
              ["{a} plus {b} is {c}.", "{a} + {b} = {c}"], weight=2.0),
        Topic("difference", differences, "{a} minus {b} is {c}.",
              ["What is {a} minus {b}?", "What is {a} - {b}?", "What is {a}-{b}?", "{a}-{b}", "{a}-{b}=", "How much is {a} minus {b}?", "Subtract {b} from {a}.", "{a} - {b} =", "{a} - {b}", "{a} minus {b}", "Calculate {a} - {b}.", "What do you get if you subtract {b} from {a}?",
               "Can you subtract {b} from {a}?", "How much is {a} - {b}?", "What does {a} - {b} make?", "{a} minus {b} is", "Take {b} away from {a}."],
              ["Tell me what {a} minus {b} is.", "What does {a} minus {b} make?", "Work out {a} - {b}."],
              ["{a} minus {b} is {c}.", "{a} - {b} = {c}"], weight=1.5),
        Topic("product", products, "{a} times {b} is {c}.",
              ["What is {a} times {b}?", "What is {a} x {b}?", "What is {a}*{b}?", "{a}*{b}", "{a}x{b}", "{a}*{b}=", "How much is {a} times {b}?", "Multiply {a} and {b}.", "{a} x {b} =", "{a} * {b}", "{a} times {b}", "Calculate {a} x {b}.", "What do you get if you multiply {a} by {b}?",
               "Can you multiply {a} by {b}?", "What is {a} * {b}?", "What does {a} x {b} make?", "{a} times {b} is", "Multiply {a} by {b}."],
              ["Tell me what {a} times {b} is.", "What does {a} times {b} make?", "Work out {a} x {b}."],
              ["{a} times {b} is {c}.", "{a} x {b} = {c}"], weight=1.5),
        Topic("number-after", [{"a": n, "b": n + 1} for n in range(100)], "The number after {a} is {b}.",
              ["What number comes after {a}?", "Which number comes after {a}?", "What comes after {a}?", "What is the number after {a}?", "Tell me the number after {a}.", "Which number follows {a}?", "What is the next number after {a}?",
               "Name the number after {a}.", "I am at {a}. What number is next?", "The number after {a} is", "Count on from {a}: what is next?"],
              ["Which number is next after {a}?", "What number follows {a}?"], ["The number after {a} is {b}."]),
        Topic("number-before", [{"a": n, "b": n - 1} for n in range(1, 101)], "The number before {a} is {b}.",
              ["What number comes before {a}?", "Which number comes before {a}?", "What comes before {a}?", "What is the number before {a}?", "Tell me the number before {a}.", "Which number stands before {a}?", "Name the number before {a}.",
               "The number before {a} is", "What is the number just before {a}?"],
              ["Which number is just before {a}?", "What number stands before {a}?"], ["The number before {a} is {b}."]),
        Topic("number-word", [{"n": n, "word": in_words(n)} for n in range(101)], "{n} in words is {word}.",
              ["How do you write {n} in words?", "Write {n} in words.", "What is {n} in words?", "Spell the number {n}.", "Write the number {n} as a word.", "How do you spell {n}?", "{n} in words is", "Tell me {n} in words.", "Give me {n} as a word.", "How do I write {n} in words?", "How is {n} spelled?", "What is the word for {n}?", "{n} as a word?"],
              ["Can you write {n} in words?", "How is {n} written in words?"], ["{n} in words is {word}."]),
    ]


def topics():
    """All topics. The order is fixed, so that a seed gives the same corpus everywhere."""
    days = [{"day": day, "next": DAYS[(i + 1) % 7], "previous": DAYS[i - 1]} for i, day in enumerate(DAYS)]
    months = [{"month": m, "next": MONTHS[(i + 1) % 12], "previous": MONTHS[i - 1], "days": MONTH_DAYS[i], "nth": ORDINALS[i]} for i, m in enumerate(MONTHS)]
    seasons = [{"season": s, "next": SEASONS[(i + 1) % 4], "previous": SEASONS[i - 1]} for i, s in enumerate(SEASONS)]
    letters = [{"letter": chr(65 + i), "next": chr(66 + i)} for i in range(25)]
    reverse = [item for item in CAPITALS if item["country"] != "Luxembourg"]
    return [
        Topic("color", [dict(i, asked=_asked(i["thing"])) for i in COLORS], "The color of {thing} is {color}.",
              ["What color is {thing}?", "What is the color of {thing}?", "Which color does {thing} have?", "Tell me the color of {thing}.", "What colour is {thing}?", "Do you know the color of {thing}?", "The color of {thing} is",
               "Can you tell me what color {thing} is?", "I forgot the color of {thing}. What is it?", "What is the usual color of {thing}?", "What color does {thing} have?", "Say the color of {thing}.", "Is {thing} red, green, blue or another color?",
               "If I paint {thing}, which color do I need?", "The colour of {thing} is", "What's the color of {thing}?", "What color {asked}?", "Which color {asked}?", "I would like to know the color of {thing}.", "{thing}: which color?"],
              ["Say which color {thing} has.", "Name the color of {thing}.", "Please tell me what color {thing} has."],
              ["The color of {thing} is {color}.", "{thing} is {color}.", "The color of {thing} is {color}."], ["And {thing}?", "What about {thing}?", "And the color of {thing}?"], weight=3.0),
        Topic("capital", CAPITALS, "The capital of {country} is {city}.",
              ["What is the capital of {country}?", "What's the capital of {country}?", "Which city is the capital of {country}?", "Tell me the capital of {country}.", "Do you know the capital of {country}?", "The capital of {country} is", "Name the capital of {country}.",
               "What is the capital city of {country}?", "Can you tell me the capital of {country}?", "I forgot the capital of {country}. What is it?", "Capital of {country}?", "{country}: what is its capital?", "What city is the capital of {country}?", "Which capital does {country} have?", "Do you know {country}'s capital?", "{country}'s capital is", "Tell me {country}'s capital.", "{country}'s capital?", "What is the name of the capital of {country}?"],
              ["Which city is the capital city of {country}?", "I would like to know the capital of {country}.", "What is {country}'s capital?"],
              ["The capital of {country} is {city}.", "The capital of {country} is {city}.", "{city} is the capital of {country}."], ["And {country}?", "What about {country}?", "And the capital of {country}?", "And of {country}?"], weight=3.0),
        Topic("capital-of", reverse, "{city} is the capital of {country}.",
              ["Which country has the capital {city}?", "{city} is the capital of which country?", "What country is {city} the capital of?", "Of which country is {city} the capital?", "{city} is the capital of", "Which country's capital is {city}?", "Tell me which country has the capital {city}.",
               "The city {city} is the capital of which country?", "Whose capital is {city}?", "What is {city}?", "Where is {city}?", "{city}", "{city}?", "Tell me about {city}.", "What do you know about {city}?"],
              ["{city} is the capital of what country?", "Of what country is {city} the capital?"], ["{city} is the capital of {country}."], weight=1.5),
        Topic("language", LANGUAGES, "People in {country} speak {language}.",
              ["What language do people speak in {country}?", "Which language is spoken in {country}?", "What language is spoken in {country}?", "What do people speak in {country}?", "I would like to know what people speak in {country}.", "Which language does one speak in {country}?", "Tell me the language of {country}.", "What is the language of {country}?", "Which language do they speak in {country}?",
               "People in {country} speak", "What language do I need in {country}?", "Do you know the language of {country}?"],
              ["Which language do people speak in {country}?", "Name the language of {country}."], ["People in {country} speak {language}."], ["And in {country}?", "What about {country}?"], weight=1.5),
        Topic("opposite", OPPOSITES, "The opposite of {word} is {opposite}.",
              ["What is the opposite of {word}?", "What's the opposite of {word}?", "Tell me the opposite of {word}.", "Which word is the opposite of {word}?", "The opposite of {word} is", "Do you know the opposite of {word}?", "Opposite of {word}?", "Give me the opposite of {word}.",
               "Can you tell me the opposite of {word}?", "What word means the opposite of {word}?", "I need the opposite of {word}.", "Say the opposite of {word}."],
              ["Name the opposite of {word}.", "Which word means the opposite of {word}?", "What would be the opposite of {word}?"], ["The opposite of {word} is {opposite}."], ["And {word}?", "What about {word}?", "And of {word}?"], weight=2.0),
        Topic("sound", [dict(i, animal=a(i["animal"])) for i in SOUNDS], "{animal} says {sound}.",
              ["What sound does {animal} make?", "What does {animal} say?", "Which sound does {animal} make?", "Tell me the sound of {animal}.", "How does {animal} sound?", "{animal} says", "What noise does {animal} make?", "Do you know the sound of {animal}?", "Make the sound of {animal}."],
              ["What is the sound of {animal}?", "Which noise does {animal} make?"], ["{animal} says {sound}."], ["And {animal}?", "What about {animal}?"], weight=1.2),
        Topic("baby", [dict(i, animal=a(i["animal"]), baby=a(i["baby"])) for i in BABIES], "The young of {animal} is called {baby}.",
              ["What is the young of {animal} called?", "What do you call the young of {animal}?", "What is the name for the young of {animal}?", "Tell me what the young of {animal} is called.", "The young of {animal} is called", "What do we call the baby of {animal}?", "How do you call the young of {animal}?", "What is the baby of {animal} called?", "How is the young of {animal} named?", "What name has the young of {animal}?", "A baby of {animal} is called"],
              ["What is the baby of {animal} named?", "Which word names the young of {animal}?"], ["The young of {animal} is called {baby}."], ["And {animal}?", "What about {animal}?"]),
        Topic("legs", [dict(i, animal=a(i["animal"])) for i in LEGS], "{animal} has {count} {legs}.",
              ["How many {legs} does {animal} have?", "What number of {legs} does {animal} have?", "Tell me how many {legs} {animal} has.", "Do you know how many {legs} {animal} has?", "{animal} has how many {legs}?", "How many {legs} has {animal}?", "Count the {legs} of {animal}."],
              ["Can you tell me how many {legs} {animal} has?", "What is the number of {legs} of {animal}?"], ["{animal} has {count} {legs}."]),
        Topic("sides", [dict(i, shape=a(i["shape"])) for i in SHAPES], "{shape} has {count} sides.",
              ["How many sides does {shape} have?", "What number of sides does {shape} have?", "Tell me how many sides {shape} has.", "Do you know how many sides {shape} has?", "{shape} has how many sides?", "How many sides has {shape}?", "Count the sides of {shape}."],
              ["Can you tell me how many sides {shape} has?", "What is the number of sides of {shape}?"], ["{shape} has {count} sides."]),
        Topic("plural", PLURALS, "The plural of {word} is {plural}.",
              ["What is the plural of {word}?", "What's the plural of {word}?", "Tell me the plural of {word}.", "The plural of {word} is", "Do you know the plural of {word}?", "Plural of {word}?", "Give me the plural of {word}.", "How do you write the plural of {word}?", "What do you say for more than one {word}?", "Write the plural of {word}."],
              ["Name the plural of {word}.", "Can you give me the plural of {word}?"], ["The plural of {word} is {plural}.", "One {word}, two {plural}."], ["And {word}?", "What about {word}?"], weight=1.5),
        Topic("past", PAST, "The past tense of {verb} is {past}.",
              ["What is the past tense of {verb}?", "What's the past tense of {verb}?", "Tell me the past tense of {verb}.", "The past tense of {verb} is", "Do you know the past tense of {verb}?", "Past tense of {verb}?", "Give me the past tense of {verb}.", "How do you write the past tense of {verb}?", "Put {verb} into the past tense.", "What is the past of {verb}?"],
              ["Name the past tense of {verb}.", "Can you give me the past tense of {verb}?"], ["The past tense of {verb} is {past}."], ["And {verb}?", "What about {verb}?"], weight=1.5),
        Topic("kind", KINDS, "{thing} is {kind}.",
              ["What is {thing}?", "What kind of thing is {thing}?", "What's {thing}?", "Tell me what {thing} is.", "Do you know what {thing} is?", "Can you tell me what {thing} is?", "What do you know about {thing}?", "Explain what {thing} is.", "What sort of thing is {thing}?", "{thing} is", "What exactly is {thing}?", "Please explain what {thing} is.", "I want to know what {thing} is.", "{word}?"],
              ["I would like to know what {thing} is.", "Which kind of thing is {thing}?"], ["{thing} is {kind}."], ["And {thing}?", "What about {thing}?"], weight=1.5),
        Topic("day-after", days, "The day after {day} is {next}.",
              ["What day comes after {day}?", "Which day comes after {day}?", "What is the day after {day}?", "Which day follows {day}?", "Today is {day}. What day is tomorrow?", "If today is {day}, what is tomorrow?", "The day after {day} is", "Tell me the day after {day}.", "What comes after {day}?"],
              ["What day follows {day}?", "Name the day after {day}."], ["The day after {day} is {next}."]),
        Topic("day-before", days, "The day before {day} is {previous}.",
              ["What day comes before {day}?", "Which day comes before {day}?", "What is the day before {day}?", "Today is {day}. What day was yesterday?", "If today is {day}, what was yesterday?", "The day before {day} is", "Tell me the day before {day}.", "What comes before {day}?"],
              ["Which day is just before {day}?", "Name the day before {day}."], ["The day before {day} is {previous}."]),
        Topic("month-after", months, "The month after {month} is {next}.",
              ["What month comes after {month}?", "Which month comes after {month}?", "What is the month after {month}?", "Which month follows {month}?", "The month after {month} is", "Tell me the month after {month}.", "What comes after {month}?", "It is {month}. Which month is next?"],
              ["What month follows {month}?", "Name the month after {month}."], ["The month after {month} is {next}."]),
        Topic("month-before", months, "The month before {month} is {previous}.",
              ["What month comes before {month}?", "Which month comes before {month}?", "What is the month before {month}?", "The month before {month} is", "Tell me the month before {month}.", "What comes before {month}?", "It is {month}. Which month was the last one?"],
              ["Which month is just before {month}?", "Name the month before {month}."], ["The month before {month} is {previous}."]),
        Topic("month-days", months, "{month} has {days} days.",
              ["How many days does {month} have?", "How many days are in {month}?", "How long is {month}?", "Tell me the number of days in {month}.", "{month} has how many days?", "How many days has {month}?"],
              ["What is the number of days in {month}?", "Tell me how many days {month} has."], ["{month} has {days} days."]),
        Topic("month-nth", months, "The {nth} month is {month}.",
              ["What is the {nth} month?", "Which month is the {nth}?", "What is the {nth} month of the year?", "Name the {nth} month.", "The {nth} month is", "Tell me the {nth} month."],
              ["Which month is the {nth} one of the year?", "Can you name the {nth} month?"], ["The {nth} month is {month}."]),
        Topic("season-after", seasons, "The season after {season} is {next}.",
              ["What season comes after {season}?", "Which season comes after {season}?", "What is the season after {season}?", "The season after {season} is", "Tell me the season after {season}.", "What comes after {season}?", "Which season follows {season}?"],
              ["What season follows {season}?", "Name the season after {season}."], ["The season after {season} is {next}."], weight=0.7),
        Topic("season-before", seasons, "The season before {season} is {previous}.",
              ["What season comes before {season}?", "Which season comes before {season}?", "What is the season before {season}?", "The season before {season} is", "Tell me the season before {season}.", "What comes before {season}?"],
              ["Which season is just before {season}?", "Name the season before {season}."], ["The season before {season} is {previous}."], weight=0.7),
        Topic("letter-after", letters, "The letter after {letter} is {next}.",
              ["What letter comes after {letter}?", "Which letter comes after {letter}?", "What is the letter after {letter}?", "The letter after {letter} is", "Tell me the letter after {letter}.", "Which letter follows {letter}?", "What comes after {letter} in the alphabet?"],
              ["What letter follows {letter}?", "Name the letter after {letter}."], ["The letter after {letter} is {next}."]),
        *_yes_and_no(),
        Topic("country", CAPITALS, "{country} is a country. Its capital is {city}.",
              ["What is {country}?", "Tell me about {country}.", "What do you know about {country}?", "{country}", "{country}?", "Tell me something about {country}.", "Where is {country}?", "Do you know {country}?"], ["What can you tell me about {country}?", "Say something about {country}."],
              ["{country} is a country."], weight=1.2),
        Topic("three", _threes(), "Three {kinds} are: {x}, {y} and {z}.",
              ["Name three {kinds}.", "Tell me three {kinds}.", "Give me three {kinds}.", "List some {kinds}.", "Which {kinds} do you know?", "Name some {kinds}.", "Can you name three {kinds}?", "Say three {kinds}."], ["List three {kinds}.", "Can you tell me some {kinds}?"],
              ["Three {kinds} are: {x}, {y} and {z}."]),
        *_numbers(),
        *[Topic(f"single-{i}", [{}], answer, questions[:-2], questions[-2:], [answer], weight=0.25) for i, (answer, questions) in enumerate(SINGLES)],
    ]
