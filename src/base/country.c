/*
 * The 249 countries and territories of ISO 3166-1, sorted by their two letters.
 *
 * The names are the short ones that a person expects in a list, in UTF-8. The rows are a macro so
 * that the compiler makes the index by numeric code of them too; the order by three letters is
 * written out below and held by a test.
 */
#include "base/country.h"

#include <string.h>

/* Two letters, three letters, numeric code, name. */
#define COUNTRIES(X)                                                                               \
    X(AD, AND, 20, "Andorra")                                                                      \
    X(AE, ARE, 784, "United Arab Emirates")                                                        \
    X(AF, AFG, 4, "Afghanistan")                                                                   \
    X(AG, ATG, 28, "Antigua and Barbuda")                                                          \
    X(AI, AIA, 660, "Anguilla")                                                                    \
    X(AL, ALB, 8, "Albania")                                                                       \
    X(AM, ARM, 51, "Armenia")                                                                      \
    X(AO, AGO, 24, "Angola")                                                                       \
    X(AQ, ATA, 10, "Antarctica")                                                                   \
    X(AR, ARG, 32, "Argentina")                                                                    \
    X(AS, ASM, 16, "American Samoa")                                                               \
    X(AT, AUT, 40, "Austria")                                                                      \
    X(AU, AUS, 36, "Australia")                                                                    \
    X(AW, ABW, 533, "Aruba")                                                                       \
    X(AX, ALA, 248, "Åland Islands")                                                               \
    X(AZ, AZE, 31, "Azerbaijan")                                                                   \
    X(BA, BIH, 70, "Bosnia and Herzegovina")                                                       \
    X(BB, BRB, 52, "Barbados")                                                                     \
    X(BD, BGD, 50, "Bangladesh")                                                                   \
    X(BE, BEL, 56, "Belgium")                                                                      \
    X(BF, BFA, 854, "Burkina Faso")                                                                \
    X(BG, BGR, 100, "Bulgaria")                                                                    \
    X(BH, BHR, 48, "Bahrain")                                                                      \
    X(BI, BDI, 108, "Burundi")                                                                     \
    X(BJ, BEN, 204, "Benin")                                                                       \
    X(BL, BLM, 652, "Saint Barthélemy")                                                            \
    X(BM, BMU, 60, "Bermuda")                                                                      \
    X(BN, BRN, 96, "Brunei")                                                                       \
    X(BO, BOL, 68, "Bolivia")                                                                      \
    X(BQ, BES, 535, "Bonaire, Sint Eustatius and Saba")                                            \
    X(BR, BRA, 76, "Brazil")                                                                       \
    X(BS, BHS, 44, "Bahamas")                                                                      \
    X(BT, BTN, 64, "Bhutan")                                                                       \
    X(BV, BVT, 74, "Bouvet Island")                                                                \
    X(BW, BWA, 72, "Botswana")                                                                     \
    X(BY, BLR, 112, "Belarus")                                                                     \
    X(BZ, BLZ, 84, "Belize")                                                                       \
    X(CA, CAN, 124, "Canada")                                                                      \
    X(CC, CCK, 166, "Cocos (Keeling) Islands")                                                     \
    X(CD, COD, 180, "Congo, Democratic Republic")                                                  \
    X(CF, CAF, 140, "Central African Republic")                                                    \
    X(CG, COG, 178, "Congo")                                                                       \
    X(CH, CHE, 756, "Switzerland")                                                                 \
    X(CI, CIV, 384, "Côte d'Ivoire")                                                               \
    X(CK, COK, 184, "Cook Islands")                                                                \
    X(CL, CHL, 152, "Chile")                                                                       \
    X(CM, CMR, 120, "Cameroon")                                                                    \
    X(CN, CHN, 156, "China")                                                                       \
    X(CO, COL, 170, "Colombia")                                                                    \
    X(CR, CRI, 188, "Costa Rica")                                                                  \
    X(CU, CUB, 192, "Cuba")                                                                        \
    X(CV, CPV, 132, "Cabo Verde")                                                                  \
    X(CW, CUW, 531, "Curaçao")                                                                     \
    X(CX, CXR, 162, "Christmas Island")                                                            \
    X(CY, CYP, 196, "Cyprus")                                                                      \
    X(CZ, CZE, 203, "Czechia")                                                                     \
    X(DE, DEU, 276, "Germany")                                                                     \
    X(DJ, DJI, 262, "Djibouti")                                                                    \
    X(DK, DNK, 208, "Denmark")                                                                     \
    X(DM, DMA, 212, "Dominica")                                                                    \
    X(DO, DOM, 214, "Dominican Republic")                                                          \
    X(DZ, DZA, 12, "Algeria")                                                                      \
    X(EC, ECU, 218, "Ecuador")                                                                     \
    X(EE, EST, 233, "Estonia")                                                                     \
    X(EG, EGY, 818, "Egypt")                                                                       \
    X(EH, ESH, 732, "Western Sahara")                                                              \
    X(ER, ERI, 232, "Eritrea")                                                                     \
    X(ES, ESP, 724, "Spain")                                                                       \
    X(ET, ETH, 231, "Ethiopia")                                                                    \
    X(FI, FIN, 246, "Finland")                                                                     \
    X(FJ, FJI, 242, "Fiji")                                                                        \
    X(FK, FLK, 238, "Falkland Islands")                                                            \
    X(FM, FSM, 583, "Micronesia")                                                                  \
    X(FO, FRO, 234, "Faroe Islands")                                                               \
    X(FR, FRA, 250, "France")                                                                      \
    X(GA, GAB, 266, "Gabon")                                                                       \
    X(GB, GBR, 826, "United Kingdom")                                                              \
    X(GD, GRD, 308, "Grenada")                                                                     \
    X(GE, GEO, 268, "Georgia")                                                                     \
    X(GF, GUF, 254, "French Guiana")                                                               \
    X(GG, GGY, 831, "Guernsey")                                                                    \
    X(GH, GHA, 288, "Ghana")                                                                       \
    X(GI, GIB, 292, "Gibraltar")                                                                   \
    X(GL, GRL, 304, "Greenland")                                                                   \
    X(GM, GMB, 270, "Gambia")                                                                      \
    X(GN, GIN, 324, "Guinea")                                                                      \
    X(GP, GLP, 312, "Guadeloupe")                                                                  \
    X(GQ, GNQ, 226, "Equatorial Guinea")                                                           \
    X(GR, GRC, 300, "Greece")                                                                      \
    X(GS, SGS, 239, "South Georgia and the South Sandwich Islands")                                \
    X(GT, GTM, 320, "Guatemala")                                                                   \
    X(GU, GUM, 316, "Guam")                                                                        \
    X(GW, GNB, 624, "Guinea-Bissau")                                                               \
    X(GY, GUY, 328, "Guyana")                                                                      \
    X(HK, HKG, 344, "Hong Kong")                                                                   \
    X(HM, HMD, 334, "Heard Island and McDonald Islands")                                           \
    X(HN, HND, 340, "Honduras")                                                                    \
    X(HR, HRV, 191, "Croatia")                                                                     \
    X(HT, HTI, 332, "Haiti")                                                                       \
    X(HU, HUN, 348, "Hungary")                                                                     \
    X(ID, IDN, 360, "Indonesia")                                                                   \
    X(IE, IRL, 372, "Ireland")                                                                     \
    X(IL, ISR, 376, "Israel")                                                                      \
    X(IM, IMN, 833, "Isle of Man")                                                                 \
    X(IN, IND, 356, "India")                                                                       \
    X(IO, IOT, 86, "British Indian Ocean Territory")                                               \
    X(IQ, IRQ, 368, "Iraq")                                                                        \
    X(IR, IRN, 364, "Iran")                                                                        \
    X(IS, ISL, 352, "Iceland")                                                                     \
    X(IT, ITA, 380, "Italy")                                                                       \
    X(JE, JEY, 832, "Jersey")                                                                      \
    X(JM, JAM, 388, "Jamaica")                                                                     \
    X(JO, JOR, 400, "Jordan")                                                                      \
    X(JP, JPN, 392, "Japan")                                                                       \
    X(KE, KEN, 404, "Kenya")                                                                       \
    X(KG, KGZ, 417, "Kyrgyzstan")                                                                  \
    X(KH, KHM, 116, "Cambodia")                                                                    \
    X(KI, KIR, 296, "Kiribati")                                                                    \
    X(KM, COM, 174, "Comoros")                                                                     \
    X(KN, KNA, 659, "Saint Kitts and Nevis")                                                       \
    X(KP, PRK, 408, "North Korea")                                                                 \
    X(KR, KOR, 410, "South Korea")                                                                 \
    X(KW, KWT, 414, "Kuwait")                                                                      \
    X(KY, CYM, 136, "Cayman Islands")                                                              \
    X(KZ, KAZ, 398, "Kazakhstan")                                                                  \
    X(LA, LAO, 418, "Laos")                                                                        \
    X(LB, LBN, 422, "Lebanon")                                                                     \
    X(LC, LCA, 662, "Saint Lucia")                                                                 \
    X(LI, LIE, 438, "Liechtenstein")                                                               \
    X(LK, LKA, 144, "Sri Lanka")                                                                   \
    X(LR, LBR, 430, "Liberia")                                                                     \
    X(LS, LSO, 426, "Lesotho")                                                                     \
    X(LT, LTU, 440, "Lithuania")                                                                   \
    X(LU, LUX, 442, "Luxembourg")                                                                  \
    X(LV, LVA, 428, "Latvia")                                                                      \
    X(LY, LBY, 434, "Libya")                                                                       \
    X(MA, MAR, 504, "Morocco")                                                                     \
    X(MC, MCO, 492, "Monaco")                                                                      \
    X(MD, MDA, 498, "Moldova")                                                                     \
    X(ME, MNE, 499, "Montenegro")                                                                  \
    X(MF, MAF, 663, "Saint Martin")                                                                \
    X(MG, MDG, 450, "Madagascar")                                                                  \
    X(MH, MHL, 584, "Marshall Islands")                                                            \
    X(MK, MKD, 807, "North Macedonia")                                                             \
    X(ML, MLI, 466, "Mali")                                                                        \
    X(MM, MMR, 104, "Myanmar")                                                                     \
    X(MN, MNG, 496, "Mongolia")                                                                    \
    X(MO, MAC, 446, "Macao")                                                                       \
    X(MP, MNP, 580, "Northern Mariana Islands")                                                    \
    X(MQ, MTQ, 474, "Martinique")                                                                  \
    X(MR, MRT, 478, "Mauritania")                                                                  \
    X(MS, MSR, 500, "Montserrat")                                                                  \
    X(MT, MLT, 470, "Malta")                                                                       \
    X(MU, MUS, 480, "Mauritius")                                                                   \
    X(MV, MDV, 462, "Maldives")                                                                    \
    X(MW, MWI, 454, "Malawi")                                                                      \
    X(MX, MEX, 484, "Mexico")                                                                      \
    X(MY, MYS, 458, "Malaysia")                                                                    \
    X(MZ, MOZ, 508, "Mozambique")                                                                  \
    X(NA, NAM, 516, "Namibia")                                                                     \
    X(NC, NCL, 540, "New Caledonia")                                                               \
    X(NE, NER, 562, "Niger")                                                                       \
    X(NF, NFK, 574, "Norfolk Island")                                                              \
    X(NG, NGA, 566, "Nigeria")                                                                     \
    X(NI, NIC, 558, "Nicaragua")                                                                   \
    X(NL, NLD, 528, "Netherlands")                                                                 \
    X(NO, NOR, 578, "Norway")                                                                      \
    X(NP, NPL, 524, "Nepal")                                                                       \
    X(NR, NRU, 520, "Nauru")                                                                       \
    X(NU, NIU, 570, "Niue")                                                                        \
    X(NZ, NZL, 554, "New Zealand")                                                                 \
    X(OM, OMN, 512, "Oman")                                                                        \
    X(PA, PAN, 591, "Panama")                                                                      \
    X(PE, PER, 604, "Peru")                                                                        \
    X(PF, PYF, 258, "French Polynesia")                                                            \
    X(PG, PNG, 598, "Papua New Guinea")                                                            \
    X(PH, PHL, 608, "Philippines")                                                                 \
    X(PK, PAK, 586, "Pakistan")                                                                    \
    X(PL, POL, 616, "Poland")                                                                      \
    X(PM, SPM, 666, "Saint Pierre and Miquelon")                                                   \
    X(PN, PCN, 612, "Pitcairn")                                                                    \
    X(PR, PRI, 630, "Puerto Rico")                                                                 \
    X(PS, PSE, 275, "Palestine")                                                                   \
    X(PT, PRT, 620, "Portugal")                                                                    \
    X(PW, PLW, 585, "Palau")                                                                       \
    X(PY, PRY, 600, "Paraguay")                                                                    \
    X(QA, QAT, 634, "Qatar")                                                                       \
    X(RE, REU, 638, "Réunion")                                                                     \
    X(RO, ROU, 642, "Romania")                                                                     \
    X(RS, SRB, 688, "Serbia")                                                                      \
    X(RU, RUS, 643, "Russia")                                                                      \
    X(RW, RWA, 646, "Rwanda")                                                                      \
    X(SA, SAU, 682, "Saudi Arabia")                                                                \
    X(SB, SLB, 90, "Solomon Islands")                                                              \
    X(SC, SYC, 690, "Seychelles")                                                                  \
    X(SD, SDN, 729, "Sudan")                                                                       \
    X(SE, SWE, 752, "Sweden")                                                                      \
    X(SG, SGP, 702, "Singapore")                                                                   \
    X(SH, SHN, 654, "Saint Helena, Ascension and Tristan da Cunha")                                \
    X(SI, SVN, 705, "Slovenia")                                                                    \
    X(SJ, SJM, 744, "Svalbard and Jan Mayen")                                                      \
    X(SK, SVK, 703, "Slovakia")                                                                    \
    X(SL, SLE, 694, "Sierra Leone")                                                                \
    X(SM, SMR, 674, "San Marino")                                                                  \
    X(SN, SEN, 686, "Senegal")                                                                     \
    X(SO, SOM, 706, "Somalia")                                                                     \
    X(SR, SUR, 740, "Suriname")                                                                    \
    X(SS, SSD, 728, "South Sudan")                                                                 \
    X(ST, STP, 678, "Sao Tome and Principe")                                                       \
    X(SV, SLV, 222, "El Salvador")                                                                 \
    X(SX, SXM, 534, "Sint Maarten")                                                                \
    X(SY, SYR, 760, "Syria")                                                                       \
    X(SZ, SWZ, 748, "Eswatini")                                                                    \
    X(TC, TCA, 796, "Turks and Caicos Islands")                                                    \
    X(TD, TCD, 148, "Chad")                                                                        \
    X(TF, ATF, 260, "French Southern Territories")                                                 \
    X(TG, TGO, 768, "Togo")                                                                        \
    X(TH, THA, 764, "Thailand")                                                                    \
    X(TJ, TJK, 762, "Tajikistan")                                                                  \
    X(TK, TKL, 772, "Tokelau")                                                                     \
    X(TL, TLS, 626, "Timor-Leste")                                                                 \
    X(TM, TKM, 795, "Turkmenistan")                                                                \
    X(TN, TUN, 788, "Tunisia")                                                                     \
    X(TO, TON, 776, "Tonga")                                                                       \
    X(TR, TUR, 792, "Türkiye")                                                                     \
    X(TT, TTO, 780, "Trinidad and Tobago")                                                         \
    X(TV, TUV, 798, "Tuvalu")                                                                      \
    X(TW, TWN, 158, "Taiwan")                                                                      \
    X(TZ, TZA, 834, "Tanzania")                                                                    \
    X(UA, UKR, 804, "Ukraine")                                                                     \
    X(UG, UGA, 800, "Uganda")                                                                      \
    X(UM, UMI, 581, "United States Minor Outlying Islands")                                        \
    X(US, USA, 840, "United States")                                                               \
    X(UY, URY, 858, "Uruguay")                                                                     \
    X(UZ, UZB, 860, "Uzbekistan")                                                                  \
    X(VA, VAT, 336, "Holy See")                                                                    \
    X(VC, VCT, 670, "Saint Vincent and the Grenadines")                                            \
    X(VE, VEN, 862, "Venezuela")                                                                   \
    X(VG, VGB, 92, "British Virgin Islands")                                                       \
    X(VI, VIR, 850, "US Virgin Islands")                                                           \
    X(VN, VNM, 704, "Vietnam")                                                                     \
    X(VU, VUT, 548, "Vanuatu")                                                                     \
    X(WF, WLF, 876, "Wallis and Futuna")                                                           \
    X(WS, WSM, 882, "Samoa")                                                                       \
    X(YE, YEM, 887, "Yemen")                                                                       \
    X(YT, MYT, 175, "Mayotte")                                                                     \
    X(ZA, ZAF, 710, "South Africa")                                                                \
    X(ZM, ZMB, 894, "Zambia")                                                                      \
    X(ZW, ZWE, 716, "Zimbabwe")

#define ROW(alpha2, alpha3, numeric, name) { #alpha2, #alpha3, numeric, name },
static const struct country countries[] = { COUNTRIES(ROW) };
#undef ROW

#define POSITION(alpha2, alpha3, numeric, name) AT_##alpha2,
enum { COUNTRIES(POSITION) COUNTRY_COUNT };
#undef POSITION

/* Position in countries plus one; 0 where no country has that numeric code. */
#define INDEX(alpha2, alpha3, numeric, name) [numeric] = AT_##alpha2 + 1,
static const uint8_t by_numeric[1000] = { COUNTRIES(INDEX) };
#undef INDEX

/* Positions in the order of the three letters. */
static const uint8_t by_alpha3[] = { AT_AW, AT_AF, AT_AO, AT_AI, AT_AX, AT_AL, AT_AD, AT_AE, AT_AR,
    AT_AM, AT_AS, AT_AQ, AT_TF, AT_AG, AT_AU, AT_AT, AT_AZ, AT_BI, AT_BE, AT_BJ, AT_BQ, AT_BF,
    AT_BD, AT_BG, AT_BH, AT_BS, AT_BA, AT_BL, AT_BY, AT_BZ, AT_BM, AT_BO, AT_BR, AT_BB, AT_BN,
    AT_BT, AT_BV, AT_BW, AT_CF, AT_CA, AT_CC, AT_CH, AT_CL, AT_CN, AT_CI, AT_CM, AT_CD, AT_CG,
    AT_CK, AT_CO, AT_KM, AT_CV, AT_CR, AT_CU, AT_CW, AT_CX, AT_KY, AT_CY, AT_CZ, AT_DE, AT_DJ,
    AT_DM, AT_DK, AT_DO, AT_DZ, AT_EC, AT_EG, AT_ER, AT_EH, AT_ES, AT_EE, AT_ET, AT_FI, AT_FJ,
    AT_FK, AT_FR, AT_FO, AT_FM, AT_GA, AT_GB, AT_GE, AT_GG, AT_GH, AT_GI, AT_GN, AT_GP, AT_GM,
    AT_GW, AT_GQ, AT_GR, AT_GD, AT_GL, AT_GT, AT_GF, AT_GU, AT_GY, AT_HK, AT_HM, AT_HN, AT_HR,
    AT_HT, AT_HU, AT_ID, AT_IM, AT_IN, AT_IO, AT_IE, AT_IR, AT_IQ, AT_IS, AT_IL, AT_IT, AT_JM,
    AT_JE, AT_JO, AT_JP, AT_KZ, AT_KE, AT_KG, AT_KH, AT_KI, AT_KN, AT_KR, AT_KW, AT_LA, AT_LB,
    AT_LR, AT_LY, AT_LC, AT_LI, AT_LK, AT_LS, AT_LT, AT_LU, AT_LV, AT_MO, AT_MF, AT_MA, AT_MC,
    AT_MD, AT_MG, AT_MV, AT_MX, AT_MH, AT_MK, AT_ML, AT_MT, AT_MM, AT_ME, AT_MN, AT_MP, AT_MZ,
    AT_MR, AT_MS, AT_MQ, AT_MU, AT_MW, AT_MY, AT_YT, AT_NA, AT_NC, AT_NE, AT_NF, AT_NG, AT_NI,
    AT_NU, AT_NL, AT_NO, AT_NP, AT_NR, AT_NZ, AT_OM, AT_PK, AT_PA, AT_PN, AT_PE, AT_PH, AT_PW,
    AT_PG, AT_PL, AT_PR, AT_KP, AT_PT, AT_PY, AT_PS, AT_PF, AT_QA, AT_RE, AT_RO, AT_RU, AT_RW,
    AT_SA, AT_SD, AT_SN, AT_SG, AT_GS, AT_SH, AT_SJ, AT_SB, AT_SL, AT_SV, AT_SM, AT_SO, AT_PM,
    AT_RS, AT_SS, AT_ST, AT_SR, AT_SK, AT_SI, AT_SE, AT_SZ, AT_SX, AT_SC, AT_SY, AT_TC, AT_TD,
    AT_TG, AT_TH, AT_TJ, AT_TK, AT_TM, AT_TL, AT_TO, AT_TT, AT_TN, AT_TR, AT_TV, AT_TW, AT_TZ,
    AT_UG, AT_UA, AT_UM, AT_UY, AT_US, AT_UZ, AT_VA, AT_VC, AT_VE, AT_VG, AT_VI, AT_VN, AT_VU,
    AT_WF, AT_WS, AT_YE, AT_ZA, AT_ZM, AT_ZW };

_Static_assert(COUNTRY_COUNT < UINT8_MAX, "positions plus one fit by_numeric");
_Static_assert(COUNT(by_alpha3) == COUNTRY_COUNT, "every country stands in by_alpha3");

/* The country at place i in the order of codes of n letters, and that code. */
static const struct country *in_order(size_t n, size_t i, const char **code)
{
    const struct country *c = n == 2 ? &countries[i] : &countries[by_alpha3[i]];
    *code = n == 2 ? c->alpha2 : c->alpha3;
    return c;
}

const struct country *country_by_alpha(struct str code)
{
    if (code.n != 2 && code.n != 3)
        return NULL;
    size_t low = 0, high = COUNT(countries);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *there;
        const struct country *c = in_order(code.n, middle, &there);
        int order = memcmp(code.p, there, code.n);
        if (order == 0)
            return c;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct country *country_by_numeric(unsigned numeric)
{
    if (numeric >= COUNT(by_numeric) || by_numeric[numeric] == 0)
        return NULL;
    return &countries[by_numeric[numeric] - 1];
}

const struct country *country_table(size_t *count)
{
    *count = COUNT(countries);
    return countries;
}
