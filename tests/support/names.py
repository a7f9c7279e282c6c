"""Which named variants the slow tests take; the quick ones take them all."""

HEADLINE = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
)
"""torchvision's residual and densely connected networks, and ResNeXt-101 (32×4d)."""

EVERY_KIND = (
    *HEADLINE,
    "resnet50_v1",
    "resnet50c",
    "resnet34d",
    "resnetv2_50",
    "plain34",
    "seresnet50",
    "seresnext50_32x4d",
    "resnet56_cifar",
    "preact_resnet164_cifar",
    "wrn16_8_cifar",
    "resnext29_8x64d_cifar",
    "densenet40_k12_cifar",
    "densenet_bc100_k12_cifar",
    "regnet_y_400mf",
    "regnet_x_400mf",
    "vgg11",
    "vgg16_bn",
    "alexnet",
)
"""The headline names and at least one of each other kind."""
