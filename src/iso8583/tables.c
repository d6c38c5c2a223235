/*
 * The data elements of the 1987 and 1993 versions (spec/iso8583.md §4, §12).
 *
 * An element that is missing here is refused in both directions: PIN data (52, 53), tracks (35,
 * 36, 45) and chip data (55) have no row, so that they cannot enter or leave by mistake.
 */
#include "iso8583/table.h"

static const struct iso_element elements_1987[ISO_MAX_DE + 1] = {
    [2] = { ISO_KIND_N, 2, 19 },     /* PAN */
    [3] = { ISO_KIND_N, 0, 6 },      /* processing code */
    [4] = { ISO_KIND_N, 0, 12 },     /* amount, transaction */
    [7] = { ISO_KIND_N, 0, 10 },     /* transmission date and time, MMDDhhmmss */
    [11] = { ISO_KIND_N, 0, 6 },     /* system trace audit number */
    [12] = { ISO_KIND_N, 0, 6 },     /* time, local, hhmmss */
    [13] = { ISO_KIND_N, 0, 4 },     /* date, local, MMDD */
    [14] = { ISO_KIND_N, 0, 4 },     /* expiry, YYMM */
    [15] = { ISO_KIND_N, 0, 4 },     /* date, settlement, MMDD */
    [18] = { ISO_KIND_N, 0, 4 },     /* merchant type */
    [19] = { ISO_KIND_N, 0, 3 },     /* acquirer country */
    [22] = { ISO_KIND_N, 0, 3 },     /* POS entry mode */
    [25] = { ISO_KIND_N, 0, 2 },     /* POS condition code */
    [32] = { ISO_KIND_N, 2, 11 },    /* acquiring institution */
    [33] = { ISO_KIND_N, 2, 11 },    /* forwarding institution */
    [37] = { ISO_KIND_AN, 0, 12 },   /* retrieval reference number */
    [38] = { ISO_KIND_AN, 0, 6 },    /* authorization id */
    [39] = { ISO_KIND_AN, 0, 2 },    /* response code */
    [41] = { ISO_KIND_ANS, 0, 8 },   /* terminal */
    [42] = { ISO_KIND_ANS, 0, 15 },  /* card acceptor */
    [43] = { ISO_KIND_ANS, 0, 40 },  /* its name and place */
    [44] = { ISO_KIND_ANS, 2, 25 },  /* additional response data */
    [48] = { ISO_KIND_ANS, 3, 999 }, /* additional data: card verification, 3-D Secure */
    [49] = { ISO_KIND_AN, 0, 3 },    /* currency */
    [50] = { ISO_KIND_AN, 0, 3 },    /* currency, settlement */
    [54] = { ISO_KIND_AN, 3, 120 },  /* additional amounts */
    [60] = { ISO_KIND_ANS, 3, 999 }, /* private: ECI, stored credential, initiator */
    [61] = { ISO_KIND_ANS, 3, 999 }, /* private: XID */
    [62] = { ISO_KIND_ANS, 3, 999 }, /* private: network transaction id */
    [63] = { ISO_KIND_ANS, 3, 999 }, /* private: gateway reference */
    [64] = { ISO_KIND_B, 0, 8 },     /* MAC */
    [66] = { ISO_KIND_N, 0, 1 },     /* settlement code */
    [70] = { ISO_KIND_N, 0, 3 },     /* network management code */
    [74] = { ISO_KIND_N, 0, 10 },    /* credits, number */
    [75] = { ISO_KIND_N, 0, 10 },    /* credits, reversal number */
    [76] = { ISO_KIND_N, 0, 10 },    /* debits, number */
    [77] = { ISO_KIND_N, 0, 10 },    /* debits, reversal number */
    [86] = { ISO_KIND_N, 0, 16 },    /* credits, amount */
    [87] = { ISO_KIND_N, 0, 16 },    /* credits, reversal amount */
    [88] = { ISO_KIND_N, 0, 16 },    /* debits, amount */
    [89] = { ISO_KIND_N, 0, 16 },    /* debits, reversal amount */
    [90] = { ISO_KIND_N, 0, 42 },    /* original data elements */
    [95] = { ISO_KIND_AN, 0, 42 },   /* replacement amounts */
    [97] = { ISO_KIND_XN, 0, 17 },   /* net settlement */
    [128] = { ISO_KIND_B, 0, 8 },    /* MAC */
};

static const struct iso_element elements_1993[ISO_MAX_DE + 1] = {
    [2] = { ISO_KIND_N, 2, 19 },     /* PAN */
    [3] = { ISO_KIND_N, 0, 6 },      /* processing code */
    [4] = { ISO_KIND_N, 0, 12 },     /* amount, transaction */
    [7] = { ISO_KIND_N, 0, 10 },     /* transmission date and time, MMDDhhmmss */
    [11] = { ISO_KIND_N, 0, 6 },     /* system trace audit number */
    [12] = { ISO_KIND_N, 0, 12 },    /* date and time, local, YYMMDDhhmmss */
    [13] = { ISO_KIND_N, 0, 4 },     /* date, effective, YYMM */
    [14] = { ISO_KIND_N, 0, 4 },     /* expiry, YYMM */
    [15] = { ISO_KIND_N, 0, 6 },     /* date, settlement, YYMMDD */
    [19] = { ISO_KIND_N, 0, 3 },     /* acquirer country */
    [22] = { ISO_KIND_AN, 0, 12 },   /* POS data code */
    [24] = { ISO_KIND_N, 0, 3 },     /* function code */
    [25] = { ISO_KIND_N, 0, 4 },     /* message reason code */
    [26] = { ISO_KIND_N, 0, 4 },     /* card acceptor business code */
    [28] = { ISO_KIND_N, 0, 6 },     /* date, reconciliation, YYMMDD */
    [29] = { ISO_KIND_N, 0, 3 },     /* reconciliation indicator */
    [30] = { ISO_KIND_N, 0, 24 },    /* amounts, original */
    [32] = { ISO_KIND_N, 2, 11 },    /* acquiring institution */
    [33] = { ISO_KIND_N, 2, 11 },    /* forwarding institution */
    [37] = { ISO_KIND_AN, 0, 12 },   /* retrieval reference number */
    [38] = { ISO_KIND_AN, 0, 6 },    /* approval code */
    [39] = { ISO_KIND_N, 0, 3 },     /* action code */
    [41] = { ISO_KIND_ANS, 0, 8 },   /* terminal */
    [42] = { ISO_KIND_ANS, 0, 15 },  /* card acceptor */
    [43] = { ISO_KIND_ANS, 2, 99 },  /* its name and place */
    [44] = { ISO_KIND_ANS, 2, 99 },  /* additional response data */
    [48] = { ISO_KIND_ANS, 3, 999 }, /* additional data: card verification, 3-D Secure */
    [49] = { ISO_KIND_AN, 0, 3 },    /* currency */
    [50] = { ISO_KIND_AN, 0, 3 },    /* currency, reconciliation */
    [54] = { ISO_KIND_ANS, 3, 120 }, /* amounts, additional */
    [56] = { ISO_KIND_N, 2, 35 },    /* original data elements */
    [60] = { ISO_KIND_ANS, 3, 999 }, /* private: as in 1987 */
    [61] = { ISO_KIND_ANS, 3, 999 },
    [62] = { ISO_KIND_ANS, 3, 999 },
    [63] = { ISO_KIND_ANS, 3, 999 },
    [64] = { ISO_KIND_B, 0, 8 },    /* MAC */
    [74] = { ISO_KIND_N, 0, 10 },   /* credits, number */
    [75] = { ISO_KIND_N, 0, 10 },   /* credits, reversal number */
    [76] = { ISO_KIND_N, 0, 10 },   /* debits, number */
    [77] = { ISO_KIND_N, 0, 10 },   /* debits, reversal number */
    [86] = { ISO_KIND_N, 0, 16 },   /* credits, amount */
    [87] = { ISO_KIND_N, 0, 16 },   /* credits, reversal amount */
    [88] = { ISO_KIND_N, 0, 16 },   /* debits, amount */
    [89] = { ISO_KIND_N, 0, 16 },   /* debits, reversal amount */
    [90] = { ISO_KIND_N, 0, 10 },   /* authorizations, reversal number */
    [95] = { ISO_KIND_ANS, 2, 99 }, /* card issuer reference data */
    [97] = { ISO_KIND_XN, 0, 17 },  /* net reconciliation */
    [128] = { ISO_KIND_B, 0, 8 },   /* MAC */
};

/* What a byte may stand in, as bits: 1 in n, 2 in an, 4 in ans. Bytes above 0x7F in none. */
enum { IN_N = 1, IN_AN = 2, IN_ANS = 4 };

static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* control */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* control */
    6, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, /* space ! to slash */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 4, 4, 4, 4, 4, 4, /* 0-9 : ; < = > ? */
    4, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, /* @ A-O */
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 4, 4, 4, 4, 4, /* P-Z [ \ ] ^ _ */
    4, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, /* ` a-o */
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 4, 4, 4, 4, 0, /* p-z { | } ~ DEL */
};

static const uint8_t class_of_kind[] = {
    [ISO_KIND_N] = IN_N,
    [ISO_KIND_AN] = IN_AN,
    [ISO_KIND_ANS] = IN_ANS,
    [ISO_KIND_XN] = IN_N,
    [ISO_KIND_B] = 0,
};

const struct iso_element *iso_table(const char mti[5])
{
    if (!iso_content_valid(ISO_KIND_N, mti, 4))
        return NULL;
    switch (mti[0]) {
    case '0':
        return elements_1987;
    case '1':
        return elements_1993;
    default:
        return NULL;
    }
}

bool iso_content_valid(enum iso_kind kind, const char *p, size_t n)
{
    if (kind == ISO_KIND_XN) {
        if (n == 0 || (*p != 'C' && *p != 'D'))
            return false;
        p++;
        n--;
    }
    const uint8_t *at = (const uint8_t *)p;
    unsigned wanted = class_of_kind[kind], common = wanted;
    for (; n >= 4; n -= 4, at += 4)
        common &= classes[at[0]] & classes[at[1]] & classes[at[2]] & classes[at[3]];
    for (; n > 0; n--, at++)
        common &= classes[*at];
    return common == wanted;
}
