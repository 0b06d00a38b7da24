"""SuH sees the target's labels, only them, and only when it is asked to."""

from dataclasses import replace

import pytest
import torch
from method_makers import SHORT, make_pair, one_sentence, same_state

from igan_lib.compared.dah import DAHConfig, NoDA
from igan_lib.compared.suh import LabelledTarget, SuH, reveal_target_labels
from igan_lib.data.domains import TrainingData
from igan_lib.method.components import build_encoder
from igan_lib.training.fit import fit

CONFIG = DAHConfig(code_length=8, batch_size=SHORT.batch_size)


def encoder():
    torch.manual_seed(0)
    return build_encoder("lenet", (1, 28, 28), 8)


def trained(pair):
    labelled = reveal_target_labels(pair)
    method = SuH(encoder(), CONFIG, labelled)
    fit(method, labelled.for_training(), SHORT, seed=0, progress=False)
    return method


def test_the_labelled_target_stands_in_the_place_of_the_source():
    pair = make_pair()
    labelled = reveal_target_labels(pair)
    data = labelled.for_training()
    assert isinstance(labelled, LabelledTarget) and type(data) is TrainingData
    assert data.x_s is pair.target.train.images and data.y_s is pair.target.train.labels
    assert data.x_t is pair.target.train.images and data.n_classes == 3
    assert not torch.equal(data.x_s, pair.source.train.images)


@pytest.mark.parametrize("what", [lambda pair: pair.for_training(), lambda pair: pair, lambda pair: pair.n_classes])
def test_suh_is_not_built_from_anything_without_target_labels(what):
    with pytest.raises(Exception) as error:
        SuH(encoder(), CONFIG, what(make_pair()))
    one_sentence(error.value, "LabelledTarget", "reveal_target_labels")
    with pytest.raises(TypeError):
        LabelledTarget(x_t=make_pair().target.train.images, n_classes=3)


def test_suh_reads_the_target_and_its_labels_and_never_the_source():
    pair, other = make_pair(), make_pair(seed=7)
    method = trained(pair)
    assert same_state(method, trained(replace(pair, source=other.source)))
    train = pair.target.train
    for changed in (
        replace(train, labels=train.labels.roll(1)),
        replace(train, images=255 - train.images),
    ):
        target = replace(pair.target, train=changed)
        assert not same_state(method, trained(replace(pair, target=target)))


def test_suh_is_noda_trained_on_the_target_as_if_it_were_the_source():
    pair = make_pair()
    swapped = replace(pair, source=pair.target, target=pair.source)
    noda = NoDA(encoder(), CONFIG, 3)
    fit(noda, swapped.for_training(), SHORT, seed=0, progress=False)
    assert same_state(trained(pair), noda)
