"""The embedded archive: procedurally drawn, dermoscopy-like lesions of HAM10000's seven classes.

    residerm data synth OUT

It exists so that everything can be tried and tested without a download, on the same path as real data. It says
nothing of real skin, and is named synthetic wherever it is reported.

- `plan`         which lesions there are, of whom, and their photographs
- `photographs`  one photograph and its mask, from the layers below
- `recipes`      what each class looks like, by its `structures`, laid into its `lesions`
- `skin`         what they lie in, and how pigments become colour
- `foreground`   hair, gel and ruler; `dermoscope`: light, lens and sensor
- `canvas`       noise and shapes, seen through a view
- `archive`      the files, drawn in `processes`

The classes overlap on purpose, as in the real archive: a linear classifier of the pixels does poorly, a small
residual network does well, and none can be perfect, since some lesions look like another class (`recipes.MIMICRY`).
"""

from residerm.data.synthetic.archive import draw_archive

__all__ = ["draw_archive"]
