from feature_manifold.core.rng import generator


def test_the_same_names_give_the_same_numbers() -> None:
    assert generator(1, "a", "b").integers(1 << 30) == generator(1, "a", "b").integers(1 << 30)


def test_other_names_or_seeds_give_other_numbers() -> None:
    draws = {
        int(generator(seed, *names).integers(1 << 60))
        for seed, names in [(0, ("a", "b")), (0, ("b", "a")), (0, ("ab",)), (1, ("a", "b"))]
    }
    assert len(draws) == 4
