"""The class of an emitted optimizer, around functions that are written for rows of weights.

Lines that end in ``#? flag`` stand in the classes of rules with that flag alone.
"""

from collections.abc import Mapping
from string import Template

from optimizers.torch_export.formatting import chosen_lines

_HEAD = '''\
class $name(torch.optim.Optimizer):
    """$name for the parameters of a model, which it treats as one row of numbers."""

$signature
$defaults
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take all parameters in one group."""
        if self.param_groups:
            raise ValueError("$name takes one group of parameters")
        super().add_param_group(param_group)

'''

_STEP = '''\
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step along the gradients that backward() left."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
'''

_PROBING_STEP = '''\
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step along the gradients that backward() left.

        Args:
            closure: computes the loss of the same batch anew, and calls no backward().
        """
        if closure is None:
            raise TypeError("step() needs a closure that computes the loss of the batch anew")
'''

_BODY = """\
        parameters = self._parameters()
        weights = to_row(parameters)
        gradient = to_row(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)
        layout = Layout({str(n): tuple(p.shape) for n, p in enumerate(parameters)})  #? layout
        state = self.state[parameters[0]]  # one for all
        if not state:
            state.update($start, step=0)
        if "trained" in state:  #? averages
            raise RuntimeError("call train() after eval(), before the next step()")  #? averages
        state["step"] += 1
        c = self._coefficients(state["step"], weights)
        c.step = state["step"]  #? counts
        c.layout = layout  #? layout
$probe  #? probes
        $update(weights, gradient, state, c)
        from_row(weights, parameters)
        return loss  #? plain

"""

_AVERAGES = '''\
    @torch.no_grad()
    def eval(self) -> None:
        """Move the model to the weights to judge and to keep."""
        parameters = self._parameters()
        state = self.state[parameters[0]]
        if state and "trained" not in state:
            state["trained"] = to_row(parameters)
            c = self._coefficients(state["step"], state["trained"])
            from_row($evaluation_point(state["trained"], state, c), parameters)

    @torch.no_grad()
    def train(self) -> None:
        """Move the model back to the weights in training."""
        parameters = self._parameters()
        state = self.state[parameters[0]]
        if "trained" in state:
            from_row(state.pop("trained"), parameters)

'''

_TAIL = '''\
    def _parameters(self) -> list[Tensor]:
        return [p for p in self.param_groups[0]["params"] if p.requires_grad]

    def _coefficients(self, step: int, like: Tensor) -> SimpleNamespace:
        """What this step multiplies by, computed in double precision: each (1, 1)."""
$names
        group = self.param_groups[0]
        h = {name: torch.tensor([[group[name]]], dtype=torch.float64) for name in names}
        h["learning_rate"] = h["lr"]
        t = torch.tensor([[step]], dtype=torch.float64)
        numbers = $coefficients(t, h).items()
        return SimpleNamespace(**{name: number.to(like) for name, number in numbers})'''


def class_text(words: Mapping[str, str], flags: Mapping[str, bool]) -> str:
    """The class.

    Args:
        words: what stands for each ``$word``.
        flags: whether the rule has a ``layout`` to look at, ``counts`` its steps, ``probes`` the
            loss, ``averages`` weights.
    """
    flags = {**flags, "plain": not flags["probes"]}
    body = chosen_lines(_BODY, flags)
    step = _PROBING_STEP if flags["probes"] else _STEP
    averages = _AVERAGES if flags["averages"] else ""
    return Template(f"{_HEAD}{step}{body}{averages}{_TAIL}").substitute(words)
