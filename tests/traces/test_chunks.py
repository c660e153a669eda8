from __future__ import annotations

from augury.traces.chunks import cut_everywhere, place_chunks

TEXT = "Correct. Now add.\n\nCorrect.\nSo 3.5 it is. Correct."


def test_each_of_equal_sentences_stands_at_its_own_place() -> None:
    chunks = ["Correct.", "Now add.", "Correct.", "So 3.5 it is.", "Correct."]
    placed = place_chunks(TEXT, chunks)
    assert [TEXT[p.start : p.end] for p in placed] == chunks
    assert [p.start for p in placed] == [0, 9, 19, 28, 42]
    assert not any(p.fault for p in placed) and all(p.verbatim for p in placed)


def test_white_space_may_differ_inside_a_sentence_and_is_told() -> None:
    placed = place_chunks(TEXT, ["Correct.", "Now add. Correct.", "So 3.5 it is."])
    assert TEXT[placed[1].start : placed[1].end] == "Now add.\n\nCorrect."
    assert [p.verbatim for p in placed] == [True, False, True]
    assert not any(p.fault for p in placed)


def test_text_that_is_in_no_sentence_is_a_fault() -> None:
    placed = place_chunks(TEXT, ["Correct.", "Correct.", "So 3.5 it is."])
    assert placed[1].start == 19 and "Now add." in placed[1].fault
    assert not placed[2].fault


def test_a_sentence_that_is_not_there_does_not_move_the_others() -> None:
    placed = place_chunks(TEXT, ["Correct.", "Subtract.", "Now add."])
    assert not placed[1].found and "not in the rest" in placed[1].fault
    assert placed[2].start == 9 and not placed[2].fault


def test_nothing_is_found_before_the_start_or_behind_the_stop() -> None:
    assert place_chunks(TEXT, ["Correct."], start=8)[0].start == 19
    assert not place_chunks(TEXT, ["So 3.5 it is."], stop=30)[0].found


def test_a_prefix_is_cut_everywhere_only_where_earlier_text_reads_alike() -> None:
    chunks = ["Correct.", "Now add.", "Correct.", "So."]
    assert [cut_everywhere(chunks, n) for n in range(4)] == [False, False, True, False]
    # not only whole sentences: "So." also stands inside "So. there"
    assert cut_everywhere(["So. there", "So."], 1)
