"""Readable product names, made from the upper-case abbreviations of The Complete Journey. Pure."""

from __future__ import annotations

import re
from functools import cache


@cache
def department_name(department: str) -> str:
    """Return the name of a department, such as "Packaged Meat" for MEAT-PCKGD."""
    return DEPARTMENTS.get(department) or title(department)


@cache
def product_type_name(product_type: str | None, category: str | None) -> str:
    """Return the name of a product type as on a shelf label; empty if the source has neither type nor category."""
    if product_type in TYPE_NAMES:
        return TYPE_NAMES[product_type]
    if product_type is None or category is None:
        return title(product_type or category or "")
    first_category = category.split("/")[0]
    if product_type in TYPES_BEFORE_CATEGORY:
        return title(f"{product_type.replace(' - ', ' ')} {first_category}")
    if product_type in TYPES_AFTER_CATEGORY:
        return title(f"{first_category} {product_type}")
    return title(NOUN_FIRST.sub(r"\3 \1", re.sub(r" *\(BULK.*", "", product_type)))


@cache
def size_name(size: str | None, department: str | None) -> str:
    """Return a package size in the usual notation: "12 oz", "0.5 gal", "per lb"; empty if the source has no size."""
    size = " ".join((size or "").lower().replace("*", "").split())
    size = re.sub(r"^((all|ex|[abcdlnpqr]{1,4}) )+(?=[\d.])", "", size)  # market codes: "AB    6 OZ"
    if department == "PRODUCE" and re.search(r"\d ct$|(1[1-9]|[2-9]\d) lb$", size):
        return ""  # the size of the case that the store buys, not of what it sells
    size = re.sub(r"(?<![\d.])\.(?=\d)", "0.", size)
    size = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):g}", size)
    size = re.sub(r"[a-z]+", lambda unit: UNITS.get(unit[0], unit[0]), size)
    return size if re.search(r"\d", size) else BARE_SIZES.get(size, "")


@cache
def title(text: str) -> str:
    """Return the source's abbreviations as a title: "FRZN FRENCH FRIES" becomes "Frozen French Fries"."""
    truncated = (
        len(text) >= 28
    )  # the source cuts its texts at 30 characters, counted with the commas that it then removes
    text = re.sub(r" *\([^)]*$", "", text)
    if truncated:
        text = re.sub(r"([ /&-]+[A-Z]{1,2})+$", "", text)
    text = " ".join(re.sub(r"(?<=\w)  +(?=\w)", ", ", text).split())  # two spaces stand for a removed comma
    text = re.sub(r"\bW/ *", "WITH ", text).replace("-MAGAZINE", " MAGAZINE")
    text = re.sub(r"\b([A-Z]+) S\b", r"\1'S", re.sub(r"\.(?=[A-Z])", " ", text))
    text = re.sub(r" *([&:]) *", r" \1 ", text).replace(" : ", ": ")
    text = re.sub(r" +- *| *- +", " - ", text)
    text = re.sub(r"\d[\w.%]*|[A-Z]+('S)?\.?", lambda word: _word(word[0].rstrip(".")), text).strip(" :-/")
    return text[:1].upper() + text[1:]


def _word(word: str) -> str:
    return WORDS.get(word) or (word.lower() if word[0].isdigit() or word in LOWERCASE_WORDS else word.capitalize())


def _set(text: str) -> frozenset[str]:
    return frozenset(re.split(r"[;\n]\s*", text.strip()))


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in _set(text))


LOWERCASE_WORDS = _set("AND;FOR;NOT;OF;ON;OR;THE;TO;WITH")

# Types that need their category: "LEAN" of "BEEF" is "Lean Beef", "RIBS" of "PORK" is "Pork Ribs".
TYPES_BEFORE_CATEGORY = _set("""
    ADULT;ANGUS;BETTER FOR YOU;DRY;ECONOMY;ECONOMY - BEEF;ECONOMY - MEAT;ENHANCED;EXTERNAL;FLAVORED/OTHER
    FRESH;GARDEN PLUS;INTERNAL;KOSHER/SPECIALTY;LEAN;MAINSTREAM;MARINATED;MICROWAVE;MISC;MISCELLANEOUS;OTHER
    POULTRY;PRE-COOKED;PREMIUM;PREMIUM - BEEF;PREMIUM - MEAT;PRIMAL;RED;REGULAR BEAN;REGULAR GARDEN
    SMOKED/COOKED;TRADITIONAL;VALUE
""")
TYPES_AFTER_CATEGORY = _set(
    "BLENDS;BUTTS;FLANK;KABOBS;KITS;PAILS;PATTIES;PREMIUM PINTS;QUARTS;RIBS;SUPER PREMIUM PINTS"
)

# Types with the noun first, for sorting: "GRAPES RED" is "Red Grapes".
NOUN_FIRST = re.compile(
    r"^(APPLES|CANTALOUPE|CARROTS|CHERRIES|CHICKEN BREAST|CORN|EGGS|GRAPES|HONEYDEW|NECTARINES|ONIONS|PEACHES"
    r"|PEARS|PEPPERS|POTATOES|TOMATOES|WATERMELON)( - | )(?!BEEF|CHIPS|DOGS|OIL|STARCH|SUBSTITUTE)([A-Z -]+)$"
)

# Frequent types whose readable names do not follow from a rule.
TYPE_NAMES = _pairs("""
    ALL FAMILY CEREAL=Family Cereal;ASEPTIC PACK JUICE AND DRINKS=Juice Drinks;BEERALEMALT LIQUORS=Beer & Ale
    BEANS GREEN: FS/WHL/CUT=Green Beans;BLENDED JUICE&COMBINATIONS (OV=Blended Juice;CATSUP=Ketchup
    BREAST - BONELESS(IQF)=Frozen Boneless Breast;CANDY BARS (SINGLES)(INCLUDING=Candy Bar;KIWI FRUIT=Kiwi
    CANNED CAT FOOD (9 LIVES/FRISK=Canned Cat Food;DAIRY CASE 100% PURE JUICE - O=Chilled 100% Orange Juice
    DAIRY CASE 100% PURE JUICE OTH=Chilled 100% Juice;DAIRY CASE CITRUS PNCH/OJ SUBS=Chilled Citrus Punch
    DAIRY CASE FRUIT DRINKS (NO JU=Chilled Fruit Drink;DAIRY CASE JUICE DRNK UNDER 10=Chilled Juice Drink
    DAIRY CASE TEA WITH SUGAR OR S=Chilled Sweet Tea;FLUID MILK WHITE ONLY=White Milk;HERBS CILANTO=Cilantro
    FRZN SS PREMIUM ENTREES/DNRS/N=Premium Frozen Entree;FRZN SS PREMIUM ENTREES/DNRS/T=Premium Frozen Dinner
    GRND/PATTY - FROZEN=Frozen Ground Meat & Patties;HERBS PARSLEY=Parsley;ICE - CRUSHED/CUBED=Ice Cubes
    MAINSTREAM WHEAT/MULTIGRAIN BR=Wheat & Multigrain Bread;MAINSTREAM WHITE BREAD=White Bread
    MEXICAN SAUCESSALSAPICANTEE=Mexican Sauce, Salsa & Picante;NON-CARB FLVRD DRNKNG/MNRL WAT=Flavored Water
    NON-CARB WATER FLVR - DRNK/MNR=Flavored Water;NON-CRBNTD DRNKING/MNERAL WATE=Still Water
    ORANGES NAVELS ALL=Navel Oranges;PLSTC CTLRYTBLCLTHSTTHPKSST=Plastic Cutlery & Tablecloths
    POTATOES SWEET&YAMS=Sweet Potatoes & Yams;RAMEN NOODLES/RAMEN CUPS=Ramen Noodles;SQUASH ZUCCHINI=Zucchini
    REFRIGERATED COOKIES-BREAK N B=Break & Bake Cookies;RTS SOUP: CHUNKY/HOMESTYLE ET=Chunky & Homestyle Soup
    SEMI-SOLID SALAD DRESSING MAY=Mayonnaise & Salad Dressing;SFT DRNK 2 LITER BTL CARB INCL=Soft Drink Bottle
    SFT DRNK 3 LITER BTL CARB (EXC=Soft Drink Bottle;SFT DRNK MLT-PK BTL CARB (EXCP=Soft Drink Multi-Pack
    SFT DRNK SNGL SRV BTL CARB (EX=Soft Drink Single Bottle;SGL SV/VEND MACH SNACKS CHIP/P=Single Serve Chips
    SOFT DRINKS 12/18&15PK CAN CAR=Soft Drink Pack of Cans;SOFT DRINKS 20PK&24PK CAN CARB=Soft Drink Case
    SOFT DRINKS 6PK/4PK CAN CARB (=Soft Drink Small Pack;SW GDS:DONUTS=Donuts
    SOFT DRINK BOTTLE NON-CARB (EX=Still Soft Drink Bottle;STICKS/ENROBED=Ice Cream Bars
    SOFT DRINKS CAN NON-CARB (EXCE=Still Soft Drink Cans;SS ECONOMY ENTREES/DINNERS ALL=Economy Frozen Entree
    PIZZA/ECONOMY=Economy Pizza;PIZZA/PREMIUM=Premium Pizza;PIZZA/TRADITIONAL=Traditional Pizza
    TABLE SALT POPCORN SALTICE C=Salt;YOGURT NOT MULTI-PACKS=Yogurt
    TRAY PACK/CHOC CHIP COOKIES=Chocolate Chip Cookies
""")
DEPARTMENTS = _pairs("""
    CNTRL/STORE SUP=Store Supplies;DRUG GM=Drugstore & General Merchandise;GM MERCH EXP=General Merchandise
    ELECT &PLUMBING=Electrical & Plumbing;MEAT-PCKGD=Packaged Meat;PROD-WHS SALES=Produce Warehouse
    SEAFOOD-PCKGD=Packaged Seafood
""")
UNITS = _pairs("dz=dozen;doz=dozen;ga=gal;l=L;ld=loads;lds=loads;load=loads;lrt=L;ozs=oz;z=oz")
BARE_SIZES = _pairs("""
    ctn=1 carton;dozen=1 dozen;gal=1 gal;half gal=0.5 gal;king=king size;kit=1 kit;L=1 L;large=large;lb=per lb
    med=medium;medium=medium;mini=mini;per lb=per lb;pt=1 pt;qt=1 qt;queen=queen size;small=small;tall=tall
""")

# The source's abbreviations and misspellings, one word each, and abbreviations that stay as they are (BBQ).
WORDS = _pairs("""
    ACCESS=Accessories;ACCESSIORES=Accessories;BBQ=BBQ;BG=Bags;BKD=Baked;BN=Beans;BRD=Breaded;BRKFST=Breakfast
    BTL=Bottle;BTR=Butter;CARB=Carbonated;CATFD=Cat Food;CHIX=Chicken;CHOC=Chocolate;CHOCOCLATE=Chocolate
    CHOCOL=Chocolate;CHOCOLA=Chocolate;CILANTO=Cilantro;CKYS=Cookies;CLEANE=Cleaner;CLEANG=Cleaning;CND=Canned
    CNDY=Candy;CNTRL=Control;CONC=Concentrate;CONTAINR=Containers;COOKI=Cookies;COVERGIRL=CoverGirl;CRKR=Crackers
    CRMD=Creamed;CRYSTL=Crystal;DECAFFINATED=Decaffeinated;DEOD=Deodorant;DEPT=Department;DISPOSIBLE=Disposable
    DL=Deli;DNR=Dinner;DNRS=Dinners;DOGFD=Dog Food;DPS=Dips;DRNK=Drink;DRNKS=Drinks;DRP=Drop;DRSNG=Dressing
    DSH=Dishes;DVD'S=DVDs;DVD=DVD;DXM=DXM;EX=Except;FD=Food;FDS=Food;FEM=Feminine;FLVR=Flavor;FLVRD=Flavored
    FRD=Fried;FRE=Fresh;FRZ=Frozen;FRZN=Frozen;GDS=Goods;GNG=Ginger;GNGR=Ginger;GRND=Ground;HANDKE=Handkerchiefs
    HBC=HBC;HYDROCORTIZONE=Hydrocortisone;HYGN=Hygiene;IQF=IQF;IWS=IWS;JCE=Juice;JHOOK=J-Hook;LEGGS=L'eggs
    LIQ=Liquid;LOREAL=L'Oreal;LOZNG=Lozenge;LSS=Less;LTR=Lighter;MARIN=Marinade;MARINAD=Marinades
    MEMORABLILIA=Memorabilia;MFG=Manufacturer;MISC=Miscellaneous;MIXS=Mixes;MLB=MLB;MLK=Milk;MULT=Multi;MUSTAR=Mustard;MW=Microwave;MX=Mix
    MXS=Mixes;NDAIRY=Non-Dairy;NFL=NFL;NZ=NZ;OCCAS=Occasion;OJ=OJ;PICKLD=Pickled;PK=Pack;PKG=Package
    PKGD=Packaged;PKLD=Pickled;PLSTC=Plastic;PNT=Peanut;PPK=Prepacked;PREM=Premium;PREP=Prepared
    PREPACK=Prepacked;PRESLC=Presliced;PROTIEN=Protein;PRPCK=Prepacked;PRSLC=Presliced;PSE=PSE;PWDR=Powder
    PWDRS=Powders;QSR=QSR;REFIGERATED=Refrigerated;REFRGRATD=Refrigerated;REFRIG=Refrigerated;RTD=RTD;RTS=RTS
    RW=Raw;SAL=Salad;SALD=Salad;SANDWIC=Sandwiches;SAUS=Sausage;SECT=Sections;SFT=Soft;SGL=Single
    SHERBTS=Sherbets;SHLFSH=Shellfish;SNDWCH=Sandwich;SNGL=Single;SNKS=Snacks;SPECILATY=Specialty;SPF=SPF;SPLY=Supplies
    SPRD=Spread;SS=Single-Serve;STK=Stick;SUPP=Supplement;SUPPLEMEN=Supplements;SUPPPLIES=Supplies;SV=Serve
    SW=Sweet;SWT=Sweet;SWEETNERS=Sweeteners;SYRP=Syrup;THN=Than;TISS=Tissue;TORT=Tortilla;TRSH=Trash;TV=TV;VAC=Vacuum;VEG=Vegetable
    WAT=Water;WATE=Water;WHLSM=Wholesome;WORCHESTER=Worcestershire;WRA=Wraps;WT=Weight;WTR=Water;XMAS=Christmas
    XPCTRNT=Expectorant
""")
