from __future__ import annotations

import image_datasets
import models
import pytest

import clsctl

pytestmark = pytest.mark.skipif(not models.QUANTISES, reason=models.QUANTISES_WHERE)


@pytest.fixture(scope="module")
def model(run):
    return run / "best_model/inference"


def test_photos_of_other_classes_judge_the_agreement_alone(tmp_path, model, capsys):
    photos = image_datasets.tree(tmp_path / "photos", {"boats": 6, "trains": 6})
    seen = []
    found = clsctl.quantize(
        photos,
        model_dir=model,
        images=4,
        min_agreement=0.0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (found.calibrated, found.judged) == (4, 8)
    assert (found.top1, found.drop) == (None, 0.0)
    assert 0 <= found.agreement.value <= 1
    assert found.path.is_file()
    assert seen == [(4, 4), (8, 8), (8, 8)]
    assert "only agreement with fp32 is judged" in capsys.readouterr().err

    with pytest.raises(clsctl.ClsctlError) as refused:
        clsctl.quantize(photos, model_dir=model, min_agreement=1.1)
    assert refused.value.code == "E_QUANTIZE_DROP"
    assert found.path.is_file()
