"""The other identities of these networks in words: what is the same function as what, the formula, and why."""

from analyzer.live.proof import Identity

BLOCK_DIAGONAL = Identity(
    name="grouped = block-diagonal",
    title="A grouped convolution is a dense one whose weights are block-diagonal.",
    formula="W *_C x = diag(W⁽¹⁾, …, W⁽ᶜ⁾) * x",
    why="Group i reads and writes the channels of group i alone, so every weight between two groups is zero.",
)
CONCAT = Identity(
    name="concat = sum of convolutions",
    title="A convolution over a concatenation is the sum of the convolutions of its parts.",
    formula="W * [x₁; …; x_n] = Σᵢ Wᵢ * xᵢ",
    why="A convolution sums over input channels, and the sum may be taken part by part (batch norm and ReLU before it "
    "act on each channel alone), so DenseNet's concatenation never needs to be stored.",
)
FOLD = Identity(
    name="batch norm folds",
    title="In evaluation mode batch norm is an affine map, and folds into the convolution before it.",
    formula="W′ = γ/√(σ²+ε) · W,  b′ = β + (b − μ)·γ/√(σ²+ε)",
    why="With fixed statistics it multiplies each channel by a constant and adds one, which a convolution's weights "
    "and bias can do as well.",
)
BIAS = Identity(
    name="bias before batch norm",
    title="A bias before batch norm changes nothing in training mode.",
    formula="BN(W * x + b) = BN(W * x),  ∂L/∂b = 0,  μ moves by b",
    why="The batch's mean contains the bias, and subtracting that mean takes it away again.",
)
NORMALISES = Identity(
    name="batch norm normalises",
    title="Batch norm gives each channel mean β and variance γ²·σ²/(σ²+ε) over N, H, W; layer norm does so for "
    "each image over C, H, W.",
    formula="y_c = γ_c·(x_c − μ_c)/√(σ_c²+ε) + β_c,  μ_c and σ_c² over (N, H, W)",
    why="Subtracting a set's mean and dividing by its deviation leaves mean 0 and variance 1 over that same set, and "
    "over no other.",
)
FROZEN = Identity(
    name="frozen batch norm",
    title="Frozen batch norm is affine while the rest is trained, and leaves its statistics alone.",
    formula="y = s·x + t,  s = γ/√(σ²+ε),  t = β − μ·s,  ∂y/∂x = s",
    why="In evaluation mode it reads the stored statistics and not the batch, so no image depends on another and none "
    "is averaged in.",
)
FUSE = Identity(
    name="branches fuse",
    title="A 3×3, a 1×1 and an identity branch with batch norms fuse into one 3×3 (RepVGG, Ding et al. 2021).",
    formula="BN₃(W₃*x) + BN₁(W₁*x) + BN₀(x) = (W₃′ + pad(W₁′) + γ₀/√(σ₀²+ε)·I) * x + Σ b′",
    why="Each batch norm folds, a 1×1 is a 3×3 with zeros around it, the identity is a 1×1 with weights I, and "
    "convolutions of one input add up by their weights.",
)
LINEAR = Identity(
    name="1×1 = linear",
    title="A 1×1 convolution is one linear layer applied at each position.",
    formula="(W * x)[n, :, h, w] = W · x[n, :, s·h, s·w]",
    why="A window of one pixel sees no neighbours, so all that is left is a product over channels.",
)
ZERO_TRANSFORM = Identity(
    name="zero transform = identity",
    title="A residual block whose transform is zero is the identity.",
    formula="F = 0  ⇒  σ(x + F(x)) = σ(x) = x for x ≥ 0",
    why="The shortcut hands the input on, and a ReLU does not change what came out of a ReLU; a "
    "plain block would give 0.",
)
PRE_ACTIVATION = Identity(
    name="pre-activation sum",
    title="With pre-activation, a block's output is an earlier input plus all transforms between.",
    formula="x_L = x_l + Σᵢ F(xᵢ),  i = l … L−1",
    why="Nothing stands on the identity shortcut, so each block adds to what it was given (He et al. 2016, "
    "equation 4).",
)
ZERO_PAD = Identity(
    name="zero-pad shortcut",
    title="Shortcut A is a 1×1 convolution with stride s and the fixed weights [I; 0]: no parameters, no MACs.",
    formula="A(x) = [I; 0] *_s x",
    why="Keeping every s-th position is what stride means, and channels of zeros are what rows of zeros make.",
)
VERSIONS = Identity(
    name="v1 and v1.5",
    title="v1 and v1.5 have the same weights by name and shape, and neither the same MACs nor the same function.",
    formula="stride on the 1×1 or on the 3×3: W unchanged, H·W of one convolution a quarter",
    why="A stride is no weight; it decides how many positions the weights are used at, and which.",
)
