"""A short form of the campaign that fuzzes the headers of model files."""

from campaigns.guided import by_chance


def test_the_corpus_and_its_mutations_raise_only_penstroke_errors() -> None:
    figures = by_chance("model", 300, seed=1)
    assert not figures["wrong"]
    assert figures["rejected"] > figures["accepted"] > 0
