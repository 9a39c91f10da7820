import { hardMails } from '../../support/corpus.ts'
import { everyProgramTakes } from './corpus.ts'

// Without the one of 25 MB, which is corpus.full.ts's.
everyProgramTakes(hardMails(25).slice(1))
