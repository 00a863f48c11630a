"""Teachers: trained networks whose scores another network learns (Hinton, Vinyals, Dean 2015)."""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from dataflow import InputError
from quant.checkpoints import load_checkpoint
from quant.user_files import attribute_of, called

__all__ = ["distillation_loss", "load"]

_CHECKPOINT = "checkpoint.ckpt"


def load(name: str, frame_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return a teacher, in evaluation mode and without gradients.

    Parameters
    ----------
    name : a checkpoint or the folder of a training; or file and function as in ``my_net.py:teacher``, which gets those
        of the arguments ``frame_shape`` and ``classes`` that it takes, and returns a trained network

    Raises
    ------
    InputError
        There is no such checkpoint, or the function fails or returns no network.
    """
    if ":" in name:
        function = attribute_of("Teacher", name)
        teacher = called("Teacher", name, function, {"frame_shape": frame_shape, "classes": classes})
        if not isinstance(teacher, nn.Module):
            raise InputError(f"Teacher {name!r} must return a torch.nn.Module, not {type(teacher).__name__}")
    else:
        path = Path(name)
        teacher = load_checkpoint(path / _CHECKPOINT if path.is_dir() else path)[1]
    return teacher.eval().requires_grad_(False)


def distillation_loss(scores: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 KL(softmax(taught / T) || softmax(scores / T))``, the mean over the frames.

    Parameters
    ----------
    scores, taught : (frames, classes), of the network and of its teacher
    """
    ours, theirs = (F.log_softmax(each.float() / temperature, 1) for each in (scores, taught))
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2
