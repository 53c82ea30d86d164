"""`Trust`: fitting, judging, saving, loading and refusals."""

import numpy as np
import pytest
from pydantic import ValidationError
from sample_outputs import CLASSES, LabelledOutputs, make_outputs, make_trust

from residerm.config import TrustOptions
from residerm.errors import UsageError, WriteError
from residerm.outputs import Outputs
from residerm.trust import Trust, TrustError
from residerm.trust.lesions import lesion_weights


def _mean(values, groups):
    weights = lesion_weights(groups)
    return weights @ values / weights.sum()


def test_guarantees_hold_on_new_lesions():
    trust, new = make_trust(make_outputs(900)), make_outputs(3000, seed=5)
    judged = trust.judge(new.outputs)
    right = judged.probabilities.argmax(axis=1) == new.labels
    assert _mean(judged.sets[np.arange(len(new.labels)), new.labels], new.groups) == pytest.approx(0.9, abs=0.03)
    assert _mean(~judged.outlier, new.groups) == pytest.approx(0.95, abs=0.02)
    assert 1 - _mean(right[~judged.abstain], new.groups[~judged.abstain]) == pytest.approx(0.1, abs=0.03)
    assert abs(_mean(judged.confidence - right, new.groups)) < 0.03
    assert trust.summary.calibration.log_loss_after < trust.summary.calibration.log_loss_before


def test_outliers_are_marked():
    new = make_outputs(100, seed=5)
    judged = make_trust().judge(Outputs(new.logits, new.features + 20))
    assert judged.outlier.all()


@pytest.mark.parametrize("score", ["mahalanobis", "nearest", "energy"])
def test_saved_trust_judges_identically(tmp_path, score):
    trust, new = make_trust(options=TrustOptions(outlier_score=score)), make_outputs(50, seed=5)
    trust = trust.with_eight_views(new.outputs, new.labels, new.groups)
    read = Trust.load(trust.save(tmp_path / "trust.npz"))
    assert read.summary == trust.summary
    assert read.options == TrustOptions(outlier_score=score)
    for views in (1, 8):
        ours, theirs = read.judge(new.outputs, views), trust.judge(new.outputs, views)
        np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)
        np.testing.assert_array_equal(ours.sets, theirs.sets)
        np.testing.assert_array_equal(ours.abstain, theirs.abstain)
        assert read.malignancy_threshold(0.8, views) == trust.malignancy_threshold(0.8, views)
    with pytest.raises(WriteError, match="already exists"):
        trust.save(tmp_path / "trust.npz")


def test_threshold_for_a_sensitivity():
    trust, new = make_trust(make_outputs(900)), make_outputs(3000, seed=5)
    threshold = trust.malignancy_threshold(0.95)
    assert trust.summary.malignant == ("akiec", "bcc", "mel")
    named = trust.named(trust.judge(new.outputs).probabilities, threshold)
    malignant = np.isin(CLASSES, trust.summary.malignant)
    sick = malignant[new.labels]
    assert _mean(malignant[named][sick], new.groups[sick]) == pytest.approx(0.95, abs=0.03)
    assert _mean(~malignant[named][~sick], new.groups[~sick]) == pytest.approx(threshold.specificity, abs=0.05)
    probabilities = trust.judge(new.outputs).probabilities
    probable = probabilities.argmax(axis=1)
    same_side = malignant[named] == malignant[probable]
    np.testing.assert_array_equal(named == probable, same_side)


def test_sensitivity_with_too_few_lesions_is_refused():
    trust = make_trust(make_outputs(14))
    with pytest.raises(UsageError, match="requires 19 malignant validation lesions, but there are 6"):
        trust.malignancy_threshold(0.95)
    with pytest.raises(UsageError, match=r"sensitivity is 1\.0"):
        trust.malignancy_threshold(1.0)


def test_sensitivity_without_malignant_classes_is_refused():
    outputs = make_outputs()
    names = tuple(f"class{number}" for number in range(7))
    trust = Trust.fit(outputs.logits, outputs.labels, outputs.groups, None, None, None, classes=names)
    assert trust.summary.outliers.score == "energy"
    with pytest.raises(UsageError, match="are malignant"):
        trust.malignancy_threshold(0.9)


def test_classes_with_one_or_no_lesion():
    outputs = make_outputs()
    some = (outputs.labels != 3) & ((outputs.labels != 6) | (outputs.groups == outputs.groups[outputs.labels == 6][0]))
    few = LabelledOutputs(outputs.logits[some], outputs.features[some], outputs.labels[some], outputs.groups[some])
    trust = make_trust(few)
    assert {"df", "vasc"} <= set(trust.summary.sets.pooled)
    assert trust.summary.lesions_by_class["df"] == 0
    assert trust.summary.lesions_by_class["vasc"] == 1
    assert any("df (0), vasc (1)" in text for text in trust.summary.limits)
    assert trust.judge(outputs.outputs).sets.any(axis=1).all()


def test_equal_predictions():
    outputs = make_outputs()
    same = LabelledOutputs(np.ones_like(outputs.logits), np.ones_like(outputs.features), outputs.labels, outputs.groups)
    trust = make_trust(same)
    judged = trust.judge(same.outputs)
    assert judged.abstain.all()
    assert judged.sets.all()
    assert any("the model always abstains" in text for text in trust.summary.limits)
    assert trust.summary.abstention.threshold is None


def test_single_lesion():
    outputs = make_outputs()
    one = outputs.groups == 0
    trust = make_trust(
        LabelledOutputs(outputs.logits[one], outputs.features[one], outputs.labels[one], outputs.groups[one])
    )
    judged = trust.judge(outputs.outputs)
    assert judged.sets.all()
    assert judged.abstain.all()
    assert not judged.outlier.any()
    assert any("too few lesions for a threshold" in text for text in trust.summary.limits)


@pytest.mark.parametrize("name", ["logits", "features"])
def test_nan_outputs_are_refused(name):
    outputs = make_outputs(50)
    getattr(outputs, name)[3, 1] = np.nan
    with pytest.raises(UsageError, match=f"the {name} of image 3 are not finite"):
        make_trust(outputs)
    with pytest.raises(UsageError, match=f"the {name} of image 3 are not finite"):
        make_trust().judge(outputs.outputs)


def test_mismatching_arguments_are_refused():
    outputs = make_outputs(50)
    none = np.zeros(0, dtype=int)
    with pytest.raises(UsageError, match="no validation images"):
        Trust.fit(outputs.logits[:0], none, none, None, None, None, classes=CLASSES)
    with pytest.raises(UsageError, match="logits have shape"):
        Trust.fit(outputs.logits, outputs.labels, outputs.groups, None, None, None, classes=CLASSES[:6])
    with pytest.raises(UsageError, match="groups: there are 2"):
        Trust.fit(outputs.logits, outputs.labels, outputs.groups[:2], None, None, None, classes=CLASSES)
    with pytest.raises(UsageError, match="labels must be integers from 0 to 6"):
        Trust.fit(outputs.logits, outputs.labels + 1, outputs.groups, None, None, None, classes=CLASSES)


@pytest.mark.parametrize("option", ["coverage", "error_rate", "accepted"])
@pytest.mark.parametrize("level", [0, 1, -0.1, float("nan")])
def test_levels_outside_0_to_1_are_refused(option, level):
    with pytest.raises(ValidationError, match=option):
        TrustOptions(**{option: level})


def test_damaged_file_is_refused(tmp_path):
    trust = make_trust()
    whole = trust.save(tmp_path / "trust.npz").read_bytes()
    with pytest.raises(TrustError, match="no such file"):
        Trust.load(tmp_path / "missing.npz")
    for number, content in enumerate((b"", b"PK", whole[: len(whole) // 2], whole[:900] + b"x" * 60 + whole[960:])):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(content)
        with pytest.raises(TrustError, match=r"damaged or of another version"):
            Trust.load(path)


def test_mismatching_arrays_are_refused(tmp_path):
    with np.load(make_trust().save(tmp_path / "trust.npz")) as opened:
        arrays = dict(opened)
    wrong = {
        "one/scale": arrays["one/scale"] * np.nan,
        "one/shift": arrays["one/shift"][:3],
        "one/kind": np.array("magic"),
        "one/lesion": arrays["one/lesion"][:3],
        "classes": np.array([object()]),
        "score/plain_means": arrays["score/plain_means"][:, :3],
    }
    for name, values in wrong.items():
        path = tmp_path / f"{name.replace('/', '-')}.npz"
        np.savez(path, **(arrays | {name: values}))
        with pytest.raises(TrustError, match="damaged"):
            Trust.load(path)


def test_recalibration_keeps_the_training_features():
    trust, site = make_trust(), make_outputs(300, seed=8, sharpness=5.0)
    again = trust.refitted(site.outputs, site.labels, site.groups, fitted_on="Hospital B", options=trust.options)
    assert again.summary.fitted_on == "Hospital B"
    assert again.score is trust.score
    assert (again.one.calibration.scale < trust.one.calibration.scale).all()
    assert not any("used to select the epoch" in text for text in again.summary.limits)
