"""Which pixels a model's answer rests on, and how far that picture can be believed.

| file | what it is |
|---|---|
| `target` | what is explained: a weighted sum of the logits |
| `evidence` | a signed value for each place, in logits |
| `cam` | class activation maps: exact, NumPy alone |
| `occlusion`, `infill` | what is lost when a window is covered, and what covers it |
| `stages`, `gradient`, `integrated` | from gradients, with torch |
| `colours` | evidence as colour, on a scale that is the same for every image |

The package is `explanation` because `residerm.explain` is a function: a name cannot be both.
"""
