"""Excel workbooks, new and old: a sheet is a page, a row is a line."""

from __future__ import annotations

import io

from wellread.errors import ReadError
from wellread.read.cell_value import shown
from wellread.read.content import Content
from wellread.read.draft import Draft
from wellread.read.limits import Limits
from wellread.read.refuse import refusal
from wellread.read.xlsx import read_xlsx


def read_spreadsheet(data: bytes, name: str, limits: Limits) -> Content:
    """An .xlsx or .xls workbook: its visible sheets in their order, with the values that formulas had when it was saved."""
    return read_xlsx(data, name, limits) if data.startswith(b"PK") else _read_xls(data, name, limits)


def _read_xls(data: bytes, name: str, limits: Limits) -> Content:
    draft = Draft(name, limits)
    try:
        warnings = _read_sheets(data, draft)
    except (ReadError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in calamine's Rust is no Exception
        raise _refused(data, name, error) from error
    return draft.content("", warnings)


def _read_sheets(data: bytes, draft: Draft) -> list[str]:
    """Writes the sheets; what is left out comes back as warnings."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    hidden, other = [], []
    with CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
        for sheet in workbook.sheets_metadata:
            label = " ".join(sheet.name.split())
            if sheet.visible != SheetVisibleEnum.Visible:
                hidden.append(label)
            elif sheet.typ != SheetTypeEnum.WorkSheet:
                other.append(label)
            else:
                draft.page(f"sheet {label}")
                draft.block(label, level=1)
                cells = workbook.get_sheet_by_name(sheet.name)
                if cells.start is not None:
                    draft.table([shown(value) for value in row] for row in cells.iter_rows())
    warnings = [f"hidden sheets were left out: {', '.join(hidden)}"] if hidden else []
    return warnings + ([f"sheets without cells (charts, macros) were left out: {', '.join(other)}"] if other else [])


def _refused(data: bytes, name: str, error: BaseException) -> ReadError:
    from python_calamine import PasswordError

    if isinstance(error, PasswordError):
        return refusal("encrypted", name)
    if "Book\0".encode("utf-16-le") in data:  # the name that its stream had until Excel 97
        return refusal("unsupported", name, "a workbook of Excel 95 or older")
    return refusal("damaged", name, "it is not a whole Excel workbook")
