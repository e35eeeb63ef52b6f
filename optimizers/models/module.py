"""Any ordinary torch.nn.Module, trained stacked by torch.func."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.parameter import is_lazy

from optimizers.errors import InvalidProblem, OptimizerError
from optimizers.objectives import Block, Objective
from optimizers.problem import ByAutograd, Examples, Weights

EVALUATION_ROWS = 256  # rows evaluated at a time: bounds memory, whatever a module keeps of a row
_DRY_ROWS = 3  # rows of the dry run: other than its two trials, so that no mix-up of them fits

_DROPOUT = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_RECURRENT = (nn.RNNBase, nn.LSTMCell)


class StackedModule(ByAutograd):
    """A module that any PyTorch user would write, (rows, *features) -> (rows, outputs).

    The forward pass runs once for all trials: `torch.func.vmap` turns each of its operations
    into one over the stack. That is slower than networks written for stacks, and faster than
    trial by trial; an operation that vmap runs trial by trial after all makes torch warn. Tied
    weights are one tensor. Buffers and frozen weights, of pretrained parts for example, are
    constants, the same for all trials.

    The last digit of a trial may depend on its stack where torch rounds the end of a tensor
    otherwise than its middle, as in sigmoid, SiLU, ELU, softplus, and GELU in double precision.

    Not possible, and refused:

    - batch norm, and whatever else changes weights or buffers in its forward pass (running
      statistics, spectral norm, an embedding's ``max_norm``): layer and group norm can be stacked;
    - dropout above 0, and other random numbers in the forward pass: torch would not draw what a
      trial draws alone;
    - LSTM, GRU, RNN and LSTMCell, which vmap does not know: cells written out in Linear layers
      can be stacked;
    - ``.item()``, and an ``if`` that depends on the data: use `torch.where`;
    - lazy modules, which have no weights until they see data;
    - weights that are not floating, that no output depends on, or none at all;
    - buffers and frozen weights drawn at random, which would have to be others in each trial;
    - outputs that are not (rows, outputs), or that the objective cannot judge.

    Args:
        make: builds the module, a new one at every call, all of its random numbers from torch's
            global generator on the CPU: ``lambda: nn.Sequential(nn.Linear(4, 3))``.
        objective: the loss and the metrics.

    Raises:
        InvalidProblem: what ``make`` builds cannot be stacked, as far as its layers show it;
            `check` finds the rest.
    """

    def __init__(self, make: Callable[[], nn.Module], objective: Objective) -> None:
        self.objective = objective
        self._make = make
        self._module, again = (_drawn(make, torch.Generator().manual_seed(0)) for _ in range(2))
        _refuse_layers(self._module)
        _refuse_weights(self._module, again)
        self._judged = again.eval()  # a module of its own: nothing is switched to and fro
        self._weights = {
            name: tensor.detach().float()
            for name, tensor in self._module.named_parameters()
            if tensor.requires_grad
        }
        self._constants = {
            name: tensor.detach()
            for name, tensor in _tensors(self._module).items()
            if name not in self._weights
        }
        if self._constants:
            _refuse_drawn(self._constants, _drawn(make, torch.Generator().manual_seed(1)))

    def check(self, examples: Examples) -> None:
        """A dry run on a few rows: one trial in plain PyTorch, then two of them stacked.

        Raises:
            InvalidProblem: the module cannot take these rows or cannot be stacked, or the
                objective cannot judge its outputs by these targets.
        """
        rows = slice(0, _DRY_ROWS)
        few = Examples(examples.inputs[rows], examples.targets[rows])
        few = few.to(torch.device("cpu"), torch.float32)
        with torch.random.fork_rng(devices=[]):  # until it is refused it may draw
            self._run_plainly(few.inputs)
            self._run_stacked(few, examples.targets)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The module's weights under its own names."""
        return {name: tuple(tensor.shape) for name, tensor in self._weights.items()}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The weights of a new module, as under `torch.manual_seed` with the generator's seed."""
        made = dict(_drawn(self._make, generator).named_parameters())
        return {name: made[name].detach().float() for name in self._weights}

    def noise(self, generator: torch.Generator, batch: int) -> tuple[Tensor, ...]:
        """Nothing is random."""
        return ()

    def outputs(self, weights: Weights, inputs: Tensor) -> Tensor:
        """What the modules answer in training: (K, batch, *features) -> (K, outputs, batch)."""
        return self._answers(self._module, weights, inputs)

    def loss(
        self, weights: Weights, inputs: Tensor, targets: Tensor, noise: tuple[Tensor, ...]
    ) -> Tensor:
        """Mean training loss of every trial on its batch, (K,)."""
        return self.objective.loss(self.outputs(weights, inputs), targets)

    def evaluate(self, weights: Weights, examples: Examples) -> dict[str, Tensor]:
        """Every trial's metrics on all examples, each (K,); modules are in evaluation mode."""
        return self.objective.metrics(self._blocks(weights, examples))

    def _blocks(self, weights: Weights, examples: Examples) -> Iterator[Block]:
        trials = len(next(iter(weights.values())))
        for start in range(0, len(examples), EVALUATION_ROWS):
            rows = slice(start, start + EVALUATION_ROWS)
            inputs = examples.inputs[rows]
            inputs = inputs.expand(trials, *inputs.shape)
            yield self._answers(self._judged, weights, inputs), examples.targets[rows]

    def _answers(self, module: nn.Module, weights: Weights, inputs: Tensor) -> Tensor:
        """(K, batch, *features) -> (K, outputs, batch)."""
        first = next(iter(weights.values()))
        each, shared = dict(weights), {}
        for name, tensor in self._constants_like(first).items():
            # With a matrix that trials share, vmap would make one product of all trials' rows,
            # which rounds by how many there are. Whole numbers only ever select.
            if tensor.is_floating_point():
                each[name] = tensor.expand(len(first), *tensor.shape)
            else:
                shared[name] = tensor

        def answer(own: dict[str, Tensor], rows: Tensor) -> Tensor:
            found: Tensor = functional_call(module, {**own, **shared}, (rows,))
            return found

        answers = vmap(answer)(each, inputs)  # (K, batch, outputs)
        if not isinstance(answers, Tensor):
            raise InvalidProblem("outputs", type(answers).__name__, "a tensor, (rows, outputs)")
        if answers.ndim != 3 or answers.shape[1] != inputs.shape[1]:
            allowed = f"of shape ({inputs.shape[1]}, outputs) for as many rows"
            raise InvalidProblem("outputs", tuple(answers.shape[1:]), allowed)
        return answers.transpose(1, 2)

    def _constants_like(self, weight: Tensor) -> dict[str, Tensor]:
        """The constants where the weights are; floating ones in their precision."""
        return {
            name: tensor.to(weight) if tensor.is_floating_point() else tensor.to(weight.device)
            for name, tensor in self._constants.items()
        }

    def _run_plainly(self, inputs: Tensor) -> None:
        """One trial by itself: whether the module runs, and changes nothing that it holds."""
        constants = self._constants_like(next(iter(self._weights.values())))
        before = {**self._weights, **constants}
        after = {name: tensor.clone() for name, tensor in before.items()}
        try:
            functional_call(self._module, after, (inputs,))
        except Exception as error:
            allowed = f"able to take {inputs.dtype} inputs of shape {tuple(inputs.shape)}"
            raise InvalidProblem("module", _words(error), allowed) from error
        changed = [name for name in before if not torch.equal(before[name], after[name])]
        if changed:
            raise InvalidProblem(
                "module",
                f"a forward pass that changes {', '.join(changed)}",
                "without running statistics or other changes in its forward pass",
            )

    def _run_stacked(self, few: Examples, targets: Tensor) -> None:
        """Two trials: whether they can be stacked, differentiated and judged."""
        leaves = {n: torch.stack([w, w]).requires_grad_() for n, w in self._weights.items()}
        try:
            outputs = self.outputs(leaves, few.inputs.expand(2, *few.inputs.shape))
            self.objective.check(targets, outputs.shape[1])
            losses = self.objective.loss(outputs, few.targets.expand(2, -1))
            slopes = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
            with torch.no_grad():
                self.evaluate(leaves, few)
        except OptimizerError:
            raise
        except Exception as error:
            allowed = (
                "one that torch.func.vmap and autograd can take: no .item(), no branches on data, "
                "no random numbers, no operation without a batching rule"
            )
            raise InvalidProblem("module", _words(error), allowed) from error
        idle = [name for name, slope in zip(leaves, slopes, strict=True) if slope is None]
        if idle:
            raise InvalidProblem("module", f"unused {', '.join(idle)}", "without idle weights")


def _drawn(make: Callable[[], nn.Module], generator: torch.Generator) -> nn.Module:
    """A new module, drawn from the generator; torch's global one stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(generator.get_state())
        module = make()
        generator.set_state(torch.default_generator.get_state())
    if not isinstance(module, nn.Module):
        raise InvalidProblem("make", type(module).__name__, "what builds a torch.nn.Module")
    return module


def _refuse_layers(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        found = f"{layer} as {name!r}" if name else str(layer)
        if isinstance(layer, _BATCH_NORM):
            allowed = "without batch norm: layer and group norm can be stacked"
        elif isinstance(layer, _DROPOUT) and layer.p > 0:
            allowed = (
                "without dropout: p = 0, or a problem that draws masks in `noise`, as MLP does"
            )
        elif isinstance(layer, _RECURRENT):
            allowed = "without LSTM, GRU and RNN: write the cell in Linear layers"
        else:
            continue
        raise InvalidProblem("module", found, allowed)


def _refuse_weights(module: nn.Module, again: nn.Module) -> None:
    if module is again:
        raise InvalidProblem("make", "the same module again", "what builds a new one each time")
    lazy = [name for name, tensor in _tensors(module).items() if is_lazy(tensor)]
    if lazy:
        allowed = "of known shapes: run it once inside `make`"
        raise InvalidProblem("module", f"lazy {', '.join(lazy)}", allowed)
    weights = {name: w for name, w in module.named_parameters() if w.requires_grad}
    if not weights:
        raise InvalidProblem("module", "nothing to train", "with at least one weight to train")
    twins = dict(again.named_parameters())
    for name, weight in weights.items():
        if not weight.is_floating_point():
            raise InvalidProblem(name, weight.dtype, "of floating numbers")
        if not torch.equal(weight, twins[name]):
            found = f"other numbers in {name} at the second call"
            allowed = "what draws all its random numbers from torch's global generator on the CPU"
            raise InvalidProblem("make", found, allowed)


def _refuse_drawn(constants: Weights, other: nn.Module) -> None:
    tensors = _tensors(other)
    drawn = [name for name, tensor in constants.items() if not torch.equal(tensor, tensors[name])]
    if drawn:
        found = f"others in {', '.join(drawn)} under another seed"
        raise InvalidProblem("make", found, "what builds the same buffers and frozen weights")


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers; tied ones once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _words(error: Exception) -> str:
    """What torch says at first: it goes on to where issues are filed."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
