from .page import write_report as write_report
from .pair import write_pair as write_pair
from .text_page import write_text_page as write_text_page
