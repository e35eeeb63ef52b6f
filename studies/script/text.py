"""The text of a script, in pieces; lines that end in ``#? flag`` stand in some scripts alone."""

READING = '''\
class WrongFile(Exception):
    """The file is not the one that the study was given."""


def number(text: str) -> float:  #? numeric
    """A number; beyond single precision it counts as missing."""  #? numeric
    value = float(text)  #? numeric
    return value if abs(value) <= LARGEST else math.nan  #? numeric
  #? numeric
  #? numeric
def decimal_comma(text: str) -> float:  #? decimal_comma
    """A number such as 1.234,5."""  #? decimal_comma
    return number(text.replace(".", "").replace(",", "."))  #? decimal_comma
  #? decimal_comma
  #? decimal_comma
def boolean(text: str) -> float:  #? boolean
    """0 for false, 1 for true."""  #? boolean
    return float(("false", "true").index(text.lower()))  #? boolean
  #? boolean
  #? boolean
def date(text: str) -> float:  #? date
    """Seconds since 1970, or since midnight if it is a time of day."""  #? date
    moment = datetime.fromisoformat(text if "-" in text else f"1970-01-01T{text}")  #? date
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()  #? date
  #? date
  #? date
def category(value: float) -> str | None:  #? recast
    """What a number is called as a category."""  #? recast
    if math.isnan(value):  #? recast
        return None  #? recast
    return str(int(value)) if value.is_integer() else str(value)  #? recast
  #? recast
  #? recast
def image(text: str) -> np.ndarray:  #? image
    """The pixels of an image, two hexadecimal digits a channel."""  #? image
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(SHAPE)  #? image
  #? image
  #? image
$readers


def read_value(text: str, column: str, kind: str) -> Any:
    """One value of a column; a missing one is NaN, or None in a column of categories."""
    text = text.strip()
    if text in MISSING:
        return None if kind.endswith(("categorical", "text")) else math.nan
    try:
        return READERS[kind](text)
    except ValueError as error:
        raise WrongFile(f"{text!r} in column {column!r} is not {kind}") from error


def read_columns(path: Path) -> dict[str, list[Any]]:
    """The values of every column in use, by name."""
    kinds = {**COLUMNS, TARGET: TARGET_KIND}  #? unsplit
    kinds = {**COLUMNS, TARGET: TARGET_KIND, SPLIT_COLUMN: SPLIT_KIND}  #? by_column
    table: dict[str, list[Any]] = {name: [] for name in kinds}
    try:
        with path.open(encoding=ENCODING, newline="") as file:
            rows = (row for row in csv.reader(file, delimiter=DELIMITER) if row)
            header = [name.strip() for name in next(rows, [])]
            for name in kinds:
                if name not in header:
                    raise WrongFile(f"its first row names no column {name!r}")
            for count, row in enumerate(rows, start=1):
                if len(row) != len(header):
                    raise WrongFile(f"row {count} has {len(row)} values for {len(header)} columns")
                values = dict(zip(header, row, strict=True))
                for name, kind in kinds.items():
                    table[name].append(read_value(values[name], name, kind))
    except (UnicodeDecodeError, csv.Error) as error:
        raise WrongFile(f"it cannot be read as rows of text ({error})") from error
    if len(table[TARGET]) != ROWS:
        raise WrongFile(f"it has {len(table[TARGET])} rows where the study's table had {ROWS}")
    return table'''

SPLITTING = '''\
def merge_rare(classes: np.ndarray) -> np.ndarray | None:  #? rare
    """Classes with the rare ones counted to the largest; None if there are too many to share."""  #? rare
    counts = np.bincount(classes)  #? rare
    strata = np.where(counts[classes] < $stratifiable, counts.argmax(), classes)  #? rare
    return strata if len(np.unique(strata)) <= $smallest_part else None  #? rare
  #? rare
  #? rare
def hold_out(rows: np.ndarray, strata: np.ndarray) -> list[np.ndarray]:  #? stratified
def hold_out(rows: np.ndarray, strata: np.ndarray | None) -> list[np.ndarray]:  #? rare
def hold_out(rows: np.ndarray) -> list[np.ndarray]:  #? unstratified
def hold_out(rows: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:  #? grouped
    """Some rows in two parts: those to keep, and a fifth to hold out."""  #? drawn
    """Some rows in two parts: those to keep, and those of a fifth of the groups."""  #? grouped
    splitter = GroupShuffleSplit(1, test_size=$held_out, random_state=SPLIT_SEED)  #? grouped
    parts = next(splitter.split(rows, groups=groups[rows]))  #? grouped
    return [np.sort(rows[part]) for part in parts]  #? grouped
    count = math.ceil($held_out * len(rows))  #? drawn
    shares = strata[rows]  # each part gets its share of each class  #? stratified
    shares = None if strata is None else strata[rows]  # each part gets its share of each  #? rare
    parts = train_test_split(rows, test_size=count, random_state=SPLIT_SEED, stratify=shares)  #? shared
    parts = train_test_split(rows, test_size=count, random_state=SPLIT_SEED)  #? unstratified
    return [np.sort(part) for part in parts]  #? drawn
  #? shuffled
  #? shuffled
def split(classes: np.ndarray) -> list[np.ndarray]:  #? shared
def split(count: int) -> list[np.ndarray]:  #? unstratified
def split(groups: np.ndarray) -> list[np.ndarray]:  #? grouped
def split(times: np.ndarray) -> list[np.ndarray]:  #? timed
    """Which rows train, which validate, and which are kept for the test."""
    strata = merge_rare(classes)  #? rare
    rest, test = hold_out(np.arange(len(classes)), strata)  #? rare
    train, validation = hold_out(rest, strata)  #? rare
    rest, test = hold_out(np.arange(len(classes)), classes)  #? stratified
    train, validation = hold_out(rest, classes)  #? stratified
    rest, test = hold_out(np.arange(count))  #? unstratified
    train, validation = hold_out(rest)  #? unstratified
    rest, test = hold_out(np.arange(len(groups)), groups)  #? grouped
    train, validation = hold_out(rest, groups)  #? grouped
    return [train, validation, test]  #? shuffled
    test = math.ceil($held_out * len(times))  #? timed
    validation = math.ceil($held_out * (len(times) - test))  #? timed
    ends = [len(times) - test - validation, len(times) - test]  #? timed
    parts = np.split(np.argsort(times, kind="stable"), ends)  # the oldest first  #? timed
    return [np.sort(part) for part in parts]  #? timed'''

PREPARING = '''\
def number_words(notes: np.ndarray, training: np.ndarray) -> np.ndarray:  #? tokens
    """Texts as numbers of their words, 2 for the most common one of the training rows."""  #? tokens
    split = [re.findall(r"\\w+", (text or "").lower())[:TOKENS] for text in notes]  #? tokens
    counts = Counter(word for row in training for word in split[row])  #? tokens
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]  #? tokens
    numbers = {word: number for number, word in enumerate(ranked, start=2)}  #? tokens
    length = max(1, *(len(split[row]) for row in training))  #? tokens
    encoded = np.zeros((len(split), length), dtype=np.int64)  # 0 fills short texts up  #? tokens
    for row, found in enumerate(split):  #? tokens
        kept = [numbers.get(word, 1) for word in found[:length]] or [1]  #? tokens
        encoded[row, : len(kept)] = kept  #? tokens
    return encoded  #? tokens
  #? tokens
  #? tokens
def prepare(table: dict[str, list[Any]]) -> tuple[list[Examples], int]:  #? unweighted
    """The rows that train, validate and test, encoded; and the number of classes.  #? unweighted
def prepare(table: dict[str, list[Any]]) -> tuple[list[Examples], int, Tensor]:  #? weighted
    """The rows of each part, encoded; the number of classes, and what a row of each counts.  #? weighted
def prepare(table: dict[str, list[Any]]) -> tuple[list[Examples], float]:  #? regression
    """The rows that train, validate and test, encoded; and the scale of the target.  #? regression

    Every statistic is of the training rows alone.
    """
    values = np.array(table[TARGET], dtype=$target_type)
    columns = [table[name] for name, kind in COLUMNS.items() if kind in NUMBERS]  #? numbers_beside
    numbers = np.array(columns).T  #? numbers_beside
    columns = [table[name] for name, kind in COLUMNS.items() if kind.endswith("categorical")]  #? texts_beside
    texts = np.array(columns, dtype=object).T  #? texts_beside
    notes = [  #? words
        np.array([text or "" for text in table[name]], dtype=object)  #? words
        for name, kind in COLUMNS.items()  #? words
        if kind == "text"  #? words
    ]  #? words
    notes = np.array(table[next(iter(COLUMNS))], dtype=object)  #? tokens
    images = np.array(table[next(iter(COLUMNS))])  #? image
    numbers = np.array([table[name] for name in COLUMNS]).T  #? numbers_alone
    texts = np.array([table[name] for name in COLUMNS], dtype=object).T  #? texts_alone
    known = np.array([value is not None for value in values])  #? text_dropped
    known = ~np.isnan(values)  #? number_dropped
    values = values[known]  #? dropped
    numbers = numbers[known]  #? numbers_dropped
    texts = texts[known]  #? texts_dropped
    images = images[known]  #? image_dropped
    notes = [column[known] for column in notes]  #? words_dropped
    notes = notes[known]  #? tokens_dropped
    sides = np.array(table[SPLIT_COLUMN])  #? by_column
    sides = sides[known]  #? column_dropped

    names, targets = np.unique(values, return_inverse=True)  #? classification
    parts = split(targets)  #? shared
    parts = split(len(values))  #? unstratified
    parts = split(sides)  #? by_column
    counts = np.bincount(targets[parts[0]], minlength=len(names))  #? balanced
    share = len(parts[0]) / (np.count_nonzero(counts) * np.maximum(counts, 1))  #? balanced
    weights = torch.tensor(np.where(counts, share, 1.0), dtype=torch.float32)  #? balanced
    weights = torch.tensor([CLASS_WEIGHTS.get(name, 1.0) for name in names])  #? named_weights
    trained = values[parts[0]]  #? regression
    scale = trained.std() if np.ptp(trained) else 1.0  #? regression
    targets = ((values - trained.mean()) / scale).astype(np.float32)  #? regression

    # Summed column by column, as the study did: the last bits depend on the order.  #? numbers
    trained_numbers = np.asfortranarray(numbers[parts[0]])  #? numbers
    scaler = StandardScaler().fit(trained_numbers)  #? complete
    scaler = make_pipeline(  #? incomplete
        StandardScaler(),  #? incomplete
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),  #? incomplete
    )  #? incomplete
    with np.errstate(invalid="ignore"):  # a column may be empty in the training rows  #? incomplete
        scaler.fit(trained_numbers)  #? incomplete
    one_hot = OneHotEncoder(  #? texts
        handle_unknown="infrequent_if_exist", max_categories=$categories, sparse_output=False  #? texts
    ).fit(texts[parts[0]])  #? texts
    bags = []  #? words
    for column in notes:  #? words
        weigher = TfidfVectorizer(max_features=$terms).fit(column[parts[0]])  #? words
        bags.append(weigher.transform(column).toarray())  #? words
    encoded = $encoded  #? encoders
    encoded = number_words(notes, parts[0])  #? tokens
    # There are 256 levels only: each is standardised once and looked up, channels first.  #? image
    levels, layers = np.arange(256.0), []  #? image
    for channel in range(SHAPE[2]):  #? image
        seen = np.bincount(images[parts[0], :, :, channel].ravel(), minlength=256)  #? image
        mean = (seen * levels).sum() / seen.sum()  #? image
        spread = np.sqrt((seen * (levels - mean) ** 2).sum() / seen.sum()) or 1.0  #? image
        layers.append(((levels - mean) / spread)[images[..., channel]])  #? image
    encoded = np.stack(layers, axis=1)  #? image
    encoded = encoded.reshape(len(encoded), -1)  #? flat
    inputs, wanted = torch.from_numpy(encoded.astype(np.$input_type)), torch.from_numpy(targets)
    return [(inputs[rows], wanted[rows]) for rows in parts], $found'''

MODEL = '''\
class Dropout(nn.Module):  #? dropout
    """Dropout by a mask that holds for a whole step, however often the loss is computed."""  #? dropout
  #? dropout
    def __init__(self, width: int) -> None:  #? dropout
        super().__init__()  #? dropout
        self.width = width  #? dropout
  #? dropout
    def draw(self, rows: int, generator: torch.Generator) -> None:  #? dropout
        """Make the mask of the next step."""  #? dropout
        mask = torch.empty(self.width, rows).bernoulli_(KEPT, generator=generator)  #? dropout
        self.mask = mask.div_(KEPT).T  #? dropout
  #? dropout
    def forward(self, hidden: Tensor) -> Tensor:  #? dropout
        """Drop numbers in training alone."""  #? dropout
        return hidden * self.mask if self.training else hidden  #? dropout
  #? dropout
  #? dropout
class Encoder(nn.Module):  #? transformer
    """Embeddings and positions, one block, and the mean over the words of a text."""  #? transformer
  #? transformer
    def __init__(self, words: int) -> None:  #? transformer
        super().__init__()  #? transformer
        self.token = nn.Embedding(words, $width, padding_idx=0)  #? transformer
        self.position = nn.Embedding(TOKENS, $width)  #? transformer
        self.block = nn.TransformerEncoderLayer(  #? transformer
            $width, $heads, $hidden, 0.0, "gelu", batch_first=True, norm_first=True  #? transformer
        )  #? transformer
        self.norm = nn.LayerNorm($width)  #? transformer
  #? transformer
    def forward(self, texts: Tensor) -> Tensor:  #? transformer
        """(rows, length) -> (rows, width)."""  #? transformer
        padding = texts == 0  #? transformer
        placed = self.token(texts) + self.position.weight[: texts.shape[1]]  #? transformer
        seen = self.norm(self.block(placed, src_key_padding_mask=padding))  #? transformer
        count = (~padding).sum(1, keepdim=True)  #? transformer
        return seen.masked_fill(padding.unsqueeze(2), 0).sum(1) / count  #? transformer
  #? transformer
  #? transformer
def build_model(inputs: int, outputs: int) -> nn.Module:
    """The network; its first weights follow from torch's seed."""
$network


def loss_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:  #? alike
def loss_of(model: nn.Module, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:  #? weighted
    """What training minimises."""
    return nn.functional.cross_entropy(model(inputs), targets)  #? unweighted
    # Not divided by the batch's weights: with single samples they would cancel out.  #? weighted
    return nn.functional.cross_entropy(model(inputs), targets, weights, reduction="none").mean()  #? weighted
    return nn.functional.mse_loss(model(inputs).squeeze(1), targets)  #? regression


@torch.no_grad()
def evaluate(model: nn.Module, examples: Examples) -> dict[str, float]:  #? classification
    """Every metric on some rows."""  #? classification
def evaluate(model: nn.Module, examples: Examples, scale: float) -> dict[str, float]:  #? regression
    """Every metric on some rows, in the unit of the target."""  #? regression
    model.eval()  #? dropout
    inputs, targets = examples
    outputs = torch.cat([model(part) for part in inputs.split(1024)])
    losses = nn.functional.cross_entropy(outputs, targets, reduction="none").double()  #? classification
    hits = (outputs.argmax(1) == targets).double()  #? classification
    return {"log_loss": losses.mean().item(), "accuracy": hits.mean().item()}  #? classification
    errors = (outputs.squeeze(1) - targets).double()  #? regression
    loss = errors.square().mean().item()  #? regression
    return {  #? regression
        "rmse": math.sqrt(loss) * scale,  #? regression
        "mae": errors.abs().mean().item() * scale,  #? regression
        "r2": 1 - loss / max(targets.double().var(correction=0).item(), sys.float_info.min),  #? regression
    }  #? regression'''

TRAINING = '''\
def listed(scores: dict[str, float]) -> str:
    """Scores as people write them."""
    return ", ".join(f"{name} {score:.4g}" for name, score in scores.items())


$train_signature
    """Train the model; the order of the rows follows from the seed."""  #? undropped
    """Train the model; the order of the rows and what is dropped follow from the seed."""  #? dropout
    inputs, targets = training
    order = torch.Generator().manual_seed(seed + 2**32)
    noise = torch.Generator().manual_seed(seed + 2**33)  #? dropout
    dropouts = [layer for layer in model.modules() if isinstance(layer, Dropout)]  #? dropout
    total_steps = $total_steps
    optimizer = make_optimizer(model$total_asked)
    scheduler = make_scheduler(optimizer, total_steps)
    for epoch in range(1, EPOCHS + 1):
        model.train()  #? dropout
        for rows in torch.randperm(len(inputs), generator=order).split($batch):
            for layer in dropouts:  #? dropout
                layer.draw(len(rows), noise)  #? dropout
            optimizer.zero_grad()
            loss_of(model, inputs[rows], targets[rows]$weights_given).backward()  #? plain
            optimizer.step()  #? plain
            compute_loss = partial(loss_of, model, inputs[rows], targets[rows]$weights_given)  #? probes
            compute_loss().backward()  #? probes
            optimizer.step(compute_loss)  #? probes
            scheduler.step()  #? stepwise
        optimizer.eval()  # the model has the weights to judge and to keep  #? averages
        scores = evaluate(model, validation$scale_given)
        scheduler.step($watched)  #? watches
        optimizer.train()  # the model has the weights in training  #? averages
        if epoch % SHOWN == 0 or epoch == EPOCHS:
            print(f"epoch {epoch}: validation {listed(scores)}")
    optimizer.eval()  #? averages'''

MAIN = '''\
def main() -> int:
    """Train, test, and compare; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the CSV file that the study was given")
    parser.add_argument("--seed", type=int, default=SEED, help="train from this seed (%(default)s)")
    arguments = parser.parse_args()
    try:
        (training, validation, test), $extra = prepare(read_columns(arguments.file))
    except (OSError, WrongFile) as error:
        print(f"{arguments.file} cannot be used: {error}.", file=sys.stderr)
        return 2
    torch.manual_seed(arguments.seed)
    model = build_model($inputs, $outputs)
    train(model, training, validation$scale_given$weights_given, arguments.seed)
    scores = evaluate(model, test$scale_given)
    score = scores.pop(METRIC)
    print(f"test {listed(scores)}")
    print(f"test {METRIC} {score:.4g}; no interval was stated for it")  #? unstated
    return 0  #? unstated
    inside = LOWEST <= score <= HIGHEST  #? stated
    place = f"{'inside' if inside else 'outside'} the stated interval"  #? stated
    print(f"test {METRIC} {score:.4g}, {place} {LOWEST:.4g} to {HIGHEST:.4g} ($seeds seeds)")  #? stated
    return 0 if inside else 1  #? stated


if __name__ == "__main__":
    sys.exit(main())'''
