"""The theory of the source documents as code: each equation, its check, and what it explains.

    residerm theory check      every equation against an independent computation
    residerm theory flow       the gradient at every layer, with and without shortcuts
    residerm theory depth      plain and residual networks of increasing depth

"The paper" is Peçini et al., *Application of ResNet-50, Convolutional Neural Network and Multi-class Logistic
Regression in Skin Cancer Classification and Analysis of Back Propagation*; "the talk" are the slides on ResNet in the
diagnosis of skin diseases. docs/theory.md explains both.

- `backprop`, `residual`, `adam`, `formulas`   the equations by hand, in NumPy without torch
- `oracle`                                     the same quantities by autograd and torch.optim
- `blocks`, `layers`                           what a network computes internally, recorded by hooks
- `images`, `depths`, `plain`                  inputs: images, depths, networks without shortcuts
- `findings`, `check_by_hand`, `check_inside`  each equation compared with its oracle
- `check`, `flow`, `depth`                     the three commands
- `figures`, `readings`                        the results, as figures and sentences
"""
