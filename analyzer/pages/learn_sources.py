"""The papers that the chapters tell of."""

_PAPERS = {
    "Simonyan 2015": (
        "Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition",
        "1409.1556",
    ),
    "Ioffe 2015": (
        "Ioffe and Szegedy 2015, Batch Normalization: Accelerating Deep Network Training by Reducing Internal "
        "Covariate Shift",
        "1502.03167",
    ),
    "He 2015": ("He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition", "1512.03385"),
    "Dumoulin 2016": ("Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning", "1603.07285"),
    "He 2016": ("He, Zhang, Ren and Sun 2016, Identity Mappings in Deep Residual Networks", "1603.05027"),
    "Zagoruyko 2016": ("Zagoruyko and Komodakis 2016, Wide Residual Networks", "1605.07146"),
    "Xie 2017": (
        "Xie, Girshick, Dollár, Tu and He 2017, Aggregated Residual Transformations for Deep Neural Networks",
        "1611.05431",
    ),
    "Goyal 2017": (
        "Goyal et al. 2017, Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
        "1706.02677",
    ),
    "Huang 2017": (
        "Huang, Liu, van der Maaten and Weinberger 2017, Densely Connected Convolutional Networks",
        "1608.06993",
    ),
    "Pleiss 2017": ("Pleiss et al. 2017, Memory-Efficient Implementation of DenseNets", "1707.06990"),
    "He 2019": (
        "He, T. et al. 2019, Bag of Tricks for Image Classification with Convolutional Neural Networks",
        "1812.01187",
    ),
}


def sources_html(*keys: str) -> str:
    """The papers as a list, each with its arXiv number as text."""
    cited = (_PAPERS[key] for key in keys)
    items = "".join(f"<li>{title}. arXiv:{number}</li>" for title, number in cited)
    return f'<section class="sources"><h2>Sources</h2><ul>{items}</ul></section>'
