"""The embedded archive: procedurally drawn, dermoscopy-like lesions of HAM10000's seven classes.

    residerm data synth OUT

It makes it possible to try and test everything without a download, through the same code as real data. It says nothing
about real skin, and is labelled synthetic wherever it is reported.

- `plan`         the lesions, their patients, and their photographs
- `photographs`  one photograph and its mask, from the layers below
- `recipes`      the appearance of each class: its `structures`, drawn into its `lesions`
- `skin`         the surrounding skin, and the conversion of pigments to colour
- `foreground`   hair, gel and ruler; `dermoscope`: light, lens and sensor
- `canvas`       noise and shapes, seen through a view
- `archive`      the files, drawn in `processes`

The classes overlap on purpose, as in the real archive: a linear classifier of the pixels performs poorly, a small
residual network performs well, and none can be perfect, because some lesions look like another class
(`recipes.MIMICRY`).
"""

from residerm.data.synthetic.archive import draw_archive

__all__ = ["draw_archive"]
