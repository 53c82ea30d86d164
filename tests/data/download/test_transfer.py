"""Transfer of one file over HTTP: interruptions, changed files, mirrors, and wrong answers of the server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from downloads import (
    BODY,
    NOWHERE,
    OTHER,
    assert_whole,
    fetch_at_once,
    file_names,
    make_archive,
    make_file_archive,
    make_zip,
    md5,
)
from http_server import file_server

from residerm.data.download.catalogue import RemoteFile
from residerm.data.download.transfer import FetchError, UnreachableError, open_client


@pytest.fixture
def server():
    with file_server() as running:
        yield running


class TestResuming:
    @pytest.mark.parametrize("cuts", [[1], [99_999], [40_000, 10_000], [65_536, 1, 1]])
    def test_resume_requests_only_the_rest(self, server, tmp_path, cuts):
        fetch_at_once(make_file_archive(server.put("/f", BODY, breaks_after=list(cuts))), tmp_path, attempts=4)
        transfers = server.transfers()
        assert [seen.sent for seen in transfers] == [*cuts, len(BODY) - sum(cuts)]
        assert [seen.range for seen in transfers[1:]] == [f"bytes={sum(cuts[:n])}-" for n in range(1, len(cuts) + 1)]
        assert {seen.if_range for seen in transfers[1:]} == {'"first"'}
        assert_whole(tmp_path)

    def test_later_run_resumes(self, server, tmp_path):
        archive = make_file_archive(server.put("/f", BODY, breaks_after=[60_000]), md5=md5(BODY))
        with pytest.raises(FetchError, match=r"broke off.*the same command resumes it"):
            fetch_at_once(archive, tmp_path, attempts=1)
        assert (tmp_path / "images.bin.partial").read_bytes() == BODY[:60_000]
        assert not (tmp_path / "images.bin").exists()
        server.seen.clear()
        fetch_at_once(archive, tmp_path)
        assert [seen.sent for seen in server.transfers()] == [40_000]
        assert_whole(tmp_path)

    def test_interrupted_chunked_answer_is_resumed(self, server, tmp_path):
        fetch_at_once(make_file_archive(server.put("/f", BODY, chunked=True, breaks_after=[50_000])), tmp_path)
        assert [seen.sent for seen in server.transfers()] == [50_000, 50_000]
        assert_whole(tmp_path)

    def test_progress_resets_the_number_of_attempts(self, server, tmp_path):
        body = BODY * 60
        fetch_at_once(make_file_archive(server.put("/f", body, breaks_after=[2**20] * 5)), tmp_path, attempts=2)
        assert (tmp_path / "images.bin").read_bytes() == body

    @pytest.mark.parametrize(
        "how",
        [
            {"ranges": False},
            {"etag": None},
            {"etag": 'W/"weak"'},
        ],
        ids=["ignores Range", "no validator", "weak validator"],
    )
    def test_server_without_ranges_restarts(self, server, tmp_path, how):
        fetch_at_once(make_file_archive(server.put("/f", BODY, breaks_after=[70_000], **how)), tmp_path)
        assert [seen.sent for seen in server.transfers()] == [70_000, 100_000]
        assert_whole(tmp_path)

    def test_last_modified_replaces_a_missing_etag(self, server, tmp_path):
        date = "Wed, 21 Oct 2015 07:28:00 GMT"
        fetch_at_once(
            make_file_archive(server.put("/f", BODY, etag=None, modified=date, breaks_after=[70_000])), tmp_path
        )
        assert [seen.sent for seen in server.transfers()] == [70_000, 30_000]
        assert_whole(tmp_path)

    @pytest.mark.parametrize("honours_if_range", [True, False])
    def test_versions_are_never_mixed(self, server, tmp_path, honours_if_range):
        archive = make_file_archive(server.put("/f", BODY, breaks_after=[60_000]))
        with pytest.raises(FetchError):
            fetch_at_once(archive, tmp_path, attempts=1)
        server.put("/f", OTHER, etag='"second"', honours_if_range=honours_if_range)
        fetch_at_once(archive, tmp_path)
        assert_whole(tmp_path, OTHER)

    def test_versions_of_different_length_are_never_mixed(self, server, tmp_path):
        archive = make_file_archive(server.put("/f", BODY, breaks_after=[60_000]))
        with pytest.raises(FetchError):
            fetch_at_once(archive, tmp_path, attempts=1)
        server.put("/f", OTHER + b"more", honours_if_range=False)
        fetch_at_once(archive, tmp_path)
        assert_whole(tmp_path, OTHER + b"more")

    def test_partial_file_without_origin_is_restarted(self, server, tmp_path):
        (tmp_path / "images.bin.partial").write_bytes(OTHER[:5_000])
        (tmp_path / "images.bin.partial.json").write_text("{ damaged")
        fetch_at_once(make_file_archive(server.put("/f", BODY)), tmp_path)
        assert_whole(tmp_path)

    @pytest.mark.parametrize(("held", "total"), [(BODY, None), (BODY, len(BODY))], ids=["416", "length known"])
    def test_complete_partial_file_is_not_requested_again(self, server, tmp_path, held, total):
        address = server.put("/f", BODY)
        leave_part(tmp_path, held, address, total)
        fetch_at_once(make_file_archive(address), tmp_path)
        assert sum(seen.sent for seen in server.transfers()) == 0
        assert_whole(tmp_path)

    def test_partial_file_that_is_too_long_is_restarted(self, server, tmp_path):
        address = server.put("/f", BODY)
        leave_part(tmp_path, BODY + b"more", address, None)
        fetch_at_once(make_file_archive(address), tmp_path)
        assert_whole(tmp_path)


def leave_part(folder: Path, held: bytes, address: str, total: int | None) -> None:
    (folder / "images.bin.partial").write_bytes(held)
    origin = {"address": address, "validator": '"first"', "total": total}
    (folder / "images.bin.partial.json").write_text(json.dumps(origin))


class TestWrongAnswers:
    def test_content_length_too_long(self, server, tmp_path):
        with pytest.raises(FetchError, match=r"images\.bin could not be downloaded"):
            fetch_at_once(make_file_archive(server.put("/f", BODY, content_length=120_000)), tmp_path)
        assert not (tmp_path / "images.bin").exists()

    def test_remainder_too_long(self, server, tmp_path):
        fetch_at_once(
            make_file_archive(server.put("/f", BODY, breaks_after=[60_000], surplus=[b"more"])), tmp_path, attempts=4
        )
        assert_whole(tmp_path)

    def test_content_length_too_short_for_a_zip(self, server, tmp_path):
        packed = make_zip()
        archive = make_file_archive(server.put("/f", packed, content_length=90_000, ranges=False), name="images.zip")
        with pytest.raises(FetchError, match=r"truncated or not a zip.*it was removed"):
            fetch_at_once(archive, tmp_path)
        assert not tmp_path.exists() or file_names(tmp_path) == set()

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({"size": 100_000}, "it has 90,000 bytes instead of the published 100,000"),
            ({"md5": md5(BODY)}, f"its MD5 is .* instead of the published {md5(BODY)}"),
            ({"sha256": "0" * 64}, "its SHA256 is .* instead of the published 0000"),
        ],
    )
    def test_content_length_shorter_than_published(self, server, tmp_path, facts, reason):
        with pytest.raises(FetchError, match=reason):
            fetch_at_once(
                make_file_archive(server.put("/f", BODY, content_length=90_000, ranges=False), **facts), tmp_path
            )
        assert file_names(tmp_path) == set()

    def test_wrong_hash_removes_the_file(self, server, tmp_path):
        with pytest.raises(
            FetchError, match=rf"MD5 is {md5(OTHER)} instead of the published {md5(BODY)}.*it was removed"
        ):
            fetch_at_once(make_file_archive(server.put("/f", OTHER), md5=md5(BODY)), tmp_path)
        assert file_names(tmp_path) == set()

    def test_wrong_hash_falls_back_to_the_mirror(self, server, tmp_path):
        fetch_at_once(
            make_file_archive(server.put("/wrong", OTHER), server.put("/right", BODY), md5=md5(BODY)), tmp_path
        )
        assert_whole(tmp_path)

    def test_web_page_in_place_of_a_table_is_refused(self, server, tmp_path):
        address = server.put("/f", b"\n<!DOCTYPE html><title>Please log in</title>")
        with pytest.raises(FetchError, match="it is a web page"):
            fetch_at_once(make_file_archive(address, name="table.csv"), tmp_path)
        assert file_names(tmp_path) == set()

    def test_empty_file_is_refused(self, server, tmp_path):
        with pytest.raises(FetchError, match="it is empty"):
            fetch_at_once(make_file_archive(server.put("/f", b"")), tmp_path)
        assert file_names(tmp_path) == set()

    def test_compressed_answer_is_refused(self, server, tmp_path):
        with pytest.raises(FetchError, match="compressed"):
            fetch_at_once(make_file_archive(server.put("/f", BODY, encoding="gzip")), tmp_path)


class TestMirrors:
    @pytest.mark.parametrize("status", [404, 403, 410])
    def test_refusal_falls_back_to_the_mirror(self, server, tmp_path, status):
        first = server.put("/f", BODY, statuses=[status] * 2)
        fetch_at_once(make_file_archive(first, server.put("/g", BODY)), tmp_path)
        assert len(server.transfers("/f")) == 1
        assert_whole(tmp_path)

    def test_connection_error_falls_back_to_the_mirror(self, server, tmp_path):
        fetch_at_once(make_file_archive(NOWHERE, server.put("/g", BODY)), tmp_path)
        assert_whole(tmp_path)

    def test_mirror_resumes_the_same_file_after_repeated_interruptions(self, server, tmp_path):
        first = server.put("/f", BODY, breaks_after=[10_000, 0, 0])
        fetch_at_once(make_file_archive(first, server.put("/g", BODY)), tmp_path)
        assert [seen.sent for seen in server.transfers("/g")] == [90_000]
        assert_whole(tmp_path)

    def test_mirror_with_another_file_restarts(self, server, tmp_path):
        first = server.put("/f", BODY, breaks_after=[10_000, 0, 0])
        fetch_at_once(make_file_archive(first, server.put("/g", OTHER, etag='"second"')), tmp_path)
        assert_whole(tmp_path, OTHER)

    def test_last_modified_does_not_identify_files_across_mirrors(self, server, tmp_path):
        how = {"etag": None, "modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        first = server.put("/f", BODY, breaks_after=[10_000, 0, 0], **how)
        fetch_at_once(make_file_archive(first, server.put("/g", OTHER, **how)), tmp_path)
        assert_whole(tmp_path, OTHER)

    def test_later_run_resumes_at_the_same_mirror(self, server, tmp_path):
        second = server.put("/g", BODY, breaks_after=[60_000])
        with pytest.raises(FetchError):
            fetch_at_once(make_file_archive(server.url("/absent"), second), tmp_path, attempts=1)
        server.put("/absent", OTHER, etag='"other"')
        fetch_at_once(make_file_archive(server.url("/absent"), second), tmp_path)
        assert [seen.sent for seen in server.transfers("/g")] == [60_000, 40_000]
        assert_whole(tmp_path)

    def test_busy_server_is_retried(self, server, tmp_path):
        fetch_at_once(make_file_archive(server.put("/f", BODY, statuses=[503, 503, 429])), tmp_path)
        assert_whole(tmp_path)

    def test_number_of_attempts_is_limited(self, server, tmp_path):
        with pytest.raises(FetchError, match="the response is 503 Service Unavailable"):
            fetch_at_once(make_file_archive(server.put("/f", BODY, statuses=[503] * 9)), tmp_path, attempts=3)
        assert len(server.transfers()) == 3

    def test_endless_redirects_are_refused(self, server, tmp_path):
        with pytest.raises(FetchError, match=r"/f: .*redirects"):
            fetch_at_once(make_file_archive(server.put("/f", b"", location=server.url("/f"))), tmp_path)

    def test_other_files_are_downloaded_despite_a_missing_one(self, server, tmp_path):
        archive = make_archive(
            RemoteFile("absent.csv", (server.url("/absent"), server.url("/also-absent"))),
            RemoteFile("images.bin", (server.put("/f", BODY),)),
        )
        with pytest.raises(
            FetchError, match=r"absent\.csv could .*/absent: the response is 404.*/also-absent: .*1 of 2 files are"
        ):
            fetch_at_once(archive, tmp_path)
        assert_whole(tmp_path)

    def test_no_further_files_are_tried_without_a_connection(self, server, tmp_path):
        archive = make_archive(
            RemoteFile("a.bin", (NOWHERE, NOWHERE + "2")), RemoteFile("b.bin", (server.put("/f", BODY),))
        )
        with pytest.raises(
            UnreachableError,
            match=r"a\.bin could not be downloaded: no connection to 127\.0\.0\.1 \(Connection refused\)\. Try later",
        ):
            fetch_at_once(archive, tmp_path)
        assert server.transfers() == []


def test_request_headers():
    with open_client() as client:
        assert client.headers["User-Agent"].startswith("residerm/")
        assert client.headers["Accept-Encoding"] == "identity"
