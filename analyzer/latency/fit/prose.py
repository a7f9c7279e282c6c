"""The words of docs/latency-prediction.md; its numbers are computed by document.py."""

HEAD = """# Latency, predicted

Written by `python -m analyzer.latency.fit` (extra `fit`); `--check` exits 1 where this page or the shipped numbers are
not what it writes. Errors are |predicted − published| / published of a batch's time, on rows that the fit had not seen."""

MODEL = """## The model

A network is a list of kernels, which differs by mode:

- **eager**: one kernel an op (ReLU and addition in place; a max pool writes int64 indices; a bias is a kernel of its
  own). Under autocast each weight and the image are cast, every time. In NCHW on tensor cores, convolutions wider than
  1×1 have their input and output turned to NHWC and back.
- **compiled**: chains of pointwise ops are one kernel, which reads what the chain reads and writes what is needed; a
  concatenation of up to 8 tensors goes into what reads it, a longer one is a copy; torch.compile's own rule says
  whether the network is turned to NHWC.
- **training step**: forward with batch statistics, backward by op (the gradients of weights and of inputs are a
  convolution each), and SGD with momentum.

Each kernel takes

    max( FLOPs / (peak · tensor) + operands / supply,  bytes / (bandwidth · memory),  elements / (clocks · norm) ) + launch_us

where the first term is a convolution's, the third eager batch norm's. Output channels count in tiles of 64; `stem` is by
how much the first convolution's few channels are padded, `nchw` the share of its rate that a 1×1 convolution keeps in
NCHW. The operands that a multiply-accumulate needs come through shared memory, 128 bytes a clock and multiprocessor, 3/64
operands each with tiles of 128×128 a block and 64×64 a warp: that is no fitted number, hides where tensor cores are
slow (GeForce), and halves their rate where they are fast (H100).

**Power.** A card that may draw less for each multiprocessor and clock than the strongest card of its architecture (in
the device table) computes at the square root of that ratio of its boost clock: dynamic power is f·V², V rises with f,
f² lies between f and f³. Nothing is fitted here; the T4 (70 W) shows what it is worth, since its efficiencies are the
V100's.

**Host.** max(kernels, calls · host cost). The host cost is the user's CPU's: measured without a GPU as

    host µs = (time of an eager forward pass on torch's `meta` device) / calls + 5 µs to start a kernel

and given as `host_us`. Without it, the shipped value is that of a host of 2021 and the interval's lower end says that
yours may start kernels 8 times faster.

**CPU.** Arithmetic + bytes, no overlap: bytes within the last-level cache at the share `cached`, others at `memory`;
torch.compile copies the weights of windows wider than 1×1 to NHWC in every run (`reordered`); concatenations are copies
(`copied`).

**Calibration.** One measured or published network on the device fixes one factor for the device in that mode: the
median of measured / predicted."""

LIMITS = """## What limits it

- Two runs of one GPU under different PyTorch versions differ by 1 to 5 %: the tables of one mode above are predicted by
  one set of numbers, and their biases are those differences.
- With rows of one device alone, batch norm's element rate cannot be told from the bandwidth; "from RTX 3090" and "from
  RTX 4090" leave it out.
- On the H100, small tensors and layout changes run further below the bandwidth than on GeForce cards; its eager NCHW
  rows are predicted too fast, its training step too.
- On the CPU, `memory` is a few per cent of the bandwidth and `tensor` ends at its bound: at batch 1 these are no
  rooflines but the cost of torch's threads and copies, so the CPU's numbers hold for compiled runs at batch 1 on a
  like CPU, and a family left out is far off. Calibrate.
- A compiled training step is not predicted. Gates of squeeze-and-excitation are never fitted: no published row had them."""

PROVENANCE = """## Where the rows come from

`analyzer/published/timm_inference.csv` and `timm_training.csv`: rows of timm's published results
(huggingface/pytorch-image-models, `results/`, commit aa4b585, Apache License 2.0), ResNet, ResNeXt and DenseNet
networks that our fields express; `batch_ms` is its step time for its batch. `nvidia_resnet50.csv`: NVIDIA
DeepLearningExamples, PyTorch/Classification/ConvNets/resnet50v1.5 (21.03 container, one GPU, eager; AMP in NHWC; average
latency of the evaluation loop, data included). `measured_h100.csv` and `measured_h100_stages.csv`: our own runs
(H100 80GB HBM3, 700 W, torch 2.11.0, cuDNN 9.19; medians of queued runs; stages from profiler traces); only batches 1 and
8 as CUDA graphs enter the fit, for `launch_us`, and the stages for the width of a stage's interval. `devices.csv`: data
sheets, each figure marked where it was not checked."""
