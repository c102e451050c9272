# SPDX-License-Identifier: Apache-2.0
"""Writes ../wordpiece.json: texts and their tokens by huggingface/tokenizers.

Run:  pip install tokenizers==0.23.3 && python3 wordpiece.py
The vocabulary is small and made for the purpose: it has words, prefixes, "##" pieces, ideographs,
kana, and two tokens that are canonically equivalent. Random texts draw only characters whose
category is the same in Unicode 3.2 and in this Python's Unicode, because the libraries that are
compared carry tables of different versions.
"""

import json
import pathlib
import platform
import random
import string
import unicodedata

import tokenizers
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

SEED = 20220705
RANDOM_TEXTS = 400

IDEOGRAPHS = "短视频分类微信美食教程猫狗车舞蹈音乐红蓝圆方左右上下一二三的了在不是我有人来豈更㐀𠀀"
KANA = "あかさたなはひアカサがぱ"
PIECES = ["un", "want", "able", "aff", "run", "ning", "video", "vid", "eo", "cafe", "cat", "dog",
          "ubung", "strasse", "straße", "10", "2022", "www", "ing", "ed", "est", "na", "nai", "ve"]
PUNCTUATION = string.punctuation + "，。！？、《》“”…—·「」"


def vocabulary() -> list[str]:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = string.ascii_lowercase + string.digits
    tokens += list(letters.replace("q", "")) + ["##" + c for c in letters.replace("z", "")]
    tokens += list(PUNCTUATION) + list(dict.fromkeys(IDEOGRAPHS))
    tokens += list(KANA) + ["##" + c for c in KANA]
    tokens += PIECES + ["##" + piece for piece in PIECES]
    tokens += ["α", "σ", "ς", "##σ", "##ς", "д", "##д", "а", "##а", "é", "Å", "Å", "##ß", "ß", "ı"]
    return list(dict.fromkeys(tokens))


def fixed_texts() -> list[str]:
    return [
        "", " ", "\t\n\r", "unwanted running", "UNaffable!", "Café naïve ÜBUNG", "straße STRASSE",
        "美食教程：红烧肉，三分钟学会！", "短视频video分类2022", "猫and狗", "かがアガぱ", "[SEP] [CLS] [MASK] [PAD]",
        "a[SEP]b", "##ing ing##", "a" * 100, "a" * 101, "cat" * 33 + "s", "cat" * 34, "q quick",
        "buzz",
        "x\u0000y\ufffdz", "zero\u200bwidth", "soft\u00adhyphen", "non\u00a0breaking",
        "line\u2028end",
        "ideo\u3000graphic", "\ufeffmark", "e\u0301e\u0300", "İstanbul ıI", "ΣΑΣ σας",
        "Ωmega Ångström Å",
        "豈更\uf900\ufa0e", "𠀀𪜀", "㐀㐁", "가나다 한국어", "हिन्दी", "عَرَبِيّ", "👍🏽 ok 🇩🇪", "$100 + 5€ = ~x^2`|",
        "a\u0301\u0323b", "ﬁne ﬂow", "①②③", "ＡＢＣ１２３", "…———", "don't won't",
        "user@mail.com http://x.y/z?q=1#f",
        "tab\tnew\nline\r\nend", "\u0085next", "vertical\u000btab", "\u2329angle\u232a", "３分ですぐ。",
    ]


def random_texts() -> list[str]:
    draw = random.Random(SEED)
    old = unicodedata.ucd_3_2_0
    stable = [
        chr(code) for code in range(0x20, 0x2FA20)
        if old.category(chr(code)) not in ("Cn", "Cs", "Co")
        and old.category(chr(code)) == unicodedata.category(chr(code))
    ]
    pools = [stable, list(IDEOGRAPHS + KANA), list(string.ascii_letters), list(PUNCTUATION),
             PIECES, [" ", "\t", " \n"], list("ÀÉÎõüñçÅßİıΣσςДа\u0301\u0308\u0323")]
    texts = []
    for _ in range(RANDOM_TEXTS):
        weights = [draw.random() for _ in pools]
        pieces = (draw.choice(draw.choices(pools, weights)[0]) for _ in range(draw.randint(1, 30)))
        texts.append("".join(pieces))
    return texts


def main() -> None:
    tokens = vocabulary()
    model = WordPiece(
        {t: i for i, t in enumerate(tokens)}, unk_token="[UNK]", max_input_chars_per_word=100)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    cases = [{"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False).ids}
             for text in fixed_texts() + random_texts()]
    result = {
        "generator": f"wordpiece.py, tokenizers {tokenizers.__version__}, "
                     f"Python {platform.python_version()}, "
                     f"Unicode {unicodedata.unidata_version}, seed {SEED}",
        "vocabulary": tokens,
        "cases": cases,
    }
    path = pathlib.Path(__file__).parent.parent / "wordpiece.json"
    path.write_text(json.dumps(result, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
